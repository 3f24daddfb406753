"""What recipes let run in which step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import SearchSpace
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import (
    FineTuning,
    Phase,
    ProgressiveShrinking,
    Recipe,
    Run,
    Sandwich,
    TrainingSettings,
    train,
)
from optuna_ofa.training._optimiser import make_optimiser
from optuna_ofa.training._recipe import check_runs
from optuna_ofa.training._schedule import learning_rate

SPACE = SearchSpace("ofa_mbv3_fashion")


def all_runs(recipe: Recipe, phase: int, space: SearchSpace = SPACE, n: int = 100) -> list[Run]:
    return [r for i in range(n) for r in recipe.runs(space, phase, np.random.default_rng(i))]


def choices(runs: Sequence[Run], kind: str) -> set[float]:
    """All values that a kind of gene has in some subnets."""
    values: set[float] = set()
    for run in runs:
        entries = getattr(run.subnet, kind)
        values |= set(entries) if isinstance(entries, tuple) else {entries}
    return values - {0}


def test_sandwich_has_both_ends_and_random_ones() -> None:
    recipe = Sandwich(n_steps=10, n_random=3)
    runs = recipe.runs(SPACE, 0, np.random.default_rng(0))
    resolution = runs[0].subnet.resolution
    assert len(runs) == 5
    assert runs[0] == Run(SPACE.subnet(resolution=resolution))
    smallest = SPACE.subnet(resolution=resolution, depth=2, kernel=3, expand=3)
    assert runs[1] == Run(smallest, 0.0, 1.0, "first")
    assert len({run.subnet for run in runs}) == 5
    assert {run.subnet.resolution for run in runs} == {resolution}


def test_sandwich_draws_all_resolutions() -> None:
    runs = all_runs(Sandwich(n_steps=10), 0)
    assert choices(runs, "resolution") == {20, 24, 28}


def test_sandwich_with_labels_for_all() -> None:
    recipe = Sandwich(n_steps=10, label_ratio=1.0, soft_ratio=0.0)
    for run in recipe.runs(SPACE, 0, np.random.default_rng(0)):
        assert (run.label_ratio, run.soft_ratio) == (1.0, 0.0)


def test_sandwich_with_a_resolution_for_each_subnet() -> None:
    runs = Sandwich(n_steps=10, shared_resolution=False).runs(SPACE, 0, np.random.default_rng(3))
    assert [run.subnet for run in runs[:2]] == [SPACE.largest(), SPACE.smallest()]
    assert len({run.subnet.resolution for run in runs}) > 1


def test_sandwich_with_a_frozen_teacher() -> None:
    recipe = Sandwich(n_steps=10, teacher="frozen", label_ratio=0.25, soft_ratio=0.5)
    first, *others = recipe.runs(SPACE, 0, np.random.default_rng(0))
    assert first == Run(SPACE.subnet(resolution=first.subnet.resolution), 1.0, 0.5, "frozen")
    assert {(run.label_ratio, run.soft_ratio, run.teacher) for run in others} == {
        (0.25, 0.5, "frozen")
    }
    subnets = [run.subnet for run in Sandwich(n_steps=10).runs(SPACE, 0, np.random.default_rng(0))]
    assert [first.subnet, *(run.subnet for run in others)] == subnets
    supernet = Supernet(SPACE.family)
    assert recipe.enter(SPACE, 0, supernet) == SPACE.largest()
    assert Sandwich(n_steps=10).enter(SPACE, 0, supernet) is None


def test_fine_tuning_trains_one_subnet_on_the_labels() -> None:
    recipe = FineTuning(subnet=SPACE.smallest(), n_steps=20, learning_rate=0.01, n_warmup_steps=2)
    assert set(all_runs(recipe, 0)) == {Run(SPACE.smallest(), 1.0, 0.0, None)}
    assert list(recipe.phases(SPACE)) == [Phase("fine-tuning", 20, 0.01, 2)]


def test_fine_tuning_without_steps_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`n_steps` must be .* at least 1, but got 0"):
        FineTuning(subnet=SPACE.smallest(), n_steps=0)


def test_shrinking_as_published() -> None:
    phases = ProgressiveShrinking(n_steps=5900, learning_rate=2.6).phases(SPACE)
    assert [(p.name, p.n_steps) for p in phases] == [
        ("largest", 1800),
        ("kernel", 1200),
        ("depth 1", 250),
        ("depth 2", 1200),
        ("expand 1", 250),
        ("expand 2", 1200),
    ]
    # 0.03 for one of 32 devices is 0.96 for all
    assert [round(p.learning_rate, 2) for p in phases] == [2.6, 0.96, 0.08, 0.24, 0.08, 0.24]
    assert [p.n_warmup_steps for p in phases] == [90, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("phase", "n", "kernel", "depth", "expand"),
    [
        (0, 1, {7}, {4}, {6}),
        (1, 1, {3, 5, 7}, {4}, {6}),
        (2, 2, {3, 5, 7}, {3, 4}, {6}),
        (3, 2, {3, 5, 7}, {2, 3, 4}, {6}),
        (4, 4, {3, 5, 7}, {2, 3, 4}, {4, 6}),
        (5, 4, {3, 5, 7}, {2, 3, 4}, {3, 4, 6}),
    ],
)
def test_shrinking_by_phase(
    phase: int, n: int, kernel: set[int], depth: set[int], expand: set[int]
) -> None:
    recipe = ProgressiveShrinking(n_steps=600)
    runs = all_runs(recipe, phase)
    assert len(runs) == 100 * n
    found = [choices(runs, kind) for kind in ("kernel", "depth", "expand", "resolution")]
    assert found == [kernel, depth, expand, {20, 24, 28}]
    taught = Run(runs[0].subnet, 1.0, 1.0, "frozen") if phase else Run(runs[0].subnet)
    assert runs[0] == taught
    for i in range(0, len(runs), n):
        assert len({run.subnet.resolution for run in runs[i : i + n]}) == 1


def test_shrinking_of_resnet() -> None:
    space = SearchSpace("ofa_resnet50")
    recipe = ProgressiveShrinking(n_steps=700)
    names = [phase.name for phase in recipe.phases(space)]
    # no kernels; the stem's depth is 0 or 2
    assert names == ["largest", "depth 1", "depth 2", "expand 1", "expand 2", "width 1", "width 2"]
    runs = all_runs(recipe, 5, space)
    assert choices(runs, "width") == {1, 2}
    assert choices(runs, "expand") == {0.2, 0.25, 0.35}


def test_two_choices_need_one_phase() -> None:
    space = SPACE.restrict(depth=(2, 4), kernel=5)
    names = [phase.name for phase in ProgressiveShrinking(n_steps=600).phases(space)]
    assert names == ["largest", "depth 2", "expand 1", "expand 2"]


def test_phases_of_no_share_are_left_out() -> None:
    recipe = ProgressiveShrinking(n_steps=600, shares={"largest": 0, "depth 1": 0, "kernel": 0})
    names = [phase.name for phase in recipe.phases(SPACE)]
    assert names == ["depth 2", "expand 1", "expand 2"]
    assert choices(all_runs(recipe, 2), "kernel") == {7}
    assert recipe.enter(SPACE, 0, Supernet(SPACE.family)) == SPACE.largest()


def test_shares_that_leave_no_phase_are_refused() -> None:
    recipe = ProgressiveShrinking(n_steps=10, shares={"largest": 0})
    with pytest.raises(InvalidArgumentError, match="`shares` must leave a phase"):
        recipe.phases(SPACE.restrict(kernel=3, depth=2, expand=3))


def test_shrinking_freezes_and_sorts_on_entering() -> None:
    recipe = ProgressiveShrinking(n_steps=600)
    supernet = Supernet(SPACE.family)
    name = "blocks.1.conv.point_linear.conv.weight"
    changed = []
    for phase in range(6):
        before = supernet.get_parameter(name).detach().clone()
        teacher = recipe.enter(SPACE, phase, supernet)
        assert teacher == (SPACE.largest() if phase == 1 else None)
        changed.append(not torch.equal(supernet.get_parameter(name), before))
        with torch.no_grad():  # as if trained
            supernet.get_parameter(name).normal_()
    assert changed == [False, False, False, False, True, True]
    # 16 channels come in: 96 in the middle, of which 64 stand
    supernet.get_parameter(name).data[:, 64:] = 100.0
    recipe.enter(SPACE, 5, supernet)
    assert (supernet.get_parameter(name)[:, 64:] == 100).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_steps": 3}, "`n_steps` must be enough for a step in each of largest, .* got 3"),
        ({"shares": {"size": 1}}, "`shares` .* of largest, .* got 'size'"),
        ({"rates": {"kernel": -1}}, r"`rates\['kernel'\]` must be .* at least 0, but got -1"),
        ({"n_subnets": {"depth": 0}}, r"`n_subnets\['depth'\]` must be .* at least 1, but got 0"),
        ({"warmup": 1}, "`warmup` must be .* from 0 to less than 1, but got 1"),
    ],
    ids=["steps", "shares", "rates", "subnets", "warmup"],
)
def test_bad_shrinking_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        ProgressiveShrinking(**{"n_steps": 600, **changes}).phases(SPACE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_steps": 0}, "`n_steps` must be .* at least 1, but got 0"),
        ({"learning_rate": 0}, "`learning_rate` must be a positive number, but got 0"),
        ({"n_warmup_steps": 10}, "`n_warmup_steps` must be from 0 to less than the 10 .* got 10"),
        ({"n_random": -1}, "`n_random` must be .* at least 0, but got -1"),
        ({"teacher": "first"}, "`teacher` must be .*'largest'.*'frozen'.* but got 'first'"),
    ],
    ids=["steps", "rate", "warmup", "random", "teacher"],
)
def test_bad_sandwich_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Sandwich(**{"n_steps": 10, **changes})


LARGEST = SPACE.largest()


@pytest.mark.parametrize(
    "runs",
    [
        [Run(LARGEST, 1.0, 1.0, "first")],
        [Run(LARGEST, 1.0, 1.0, "frozen")],
        [Run(LARGEST), Run(LARGEST, 1.0, 1.0)],
    ],
    ids=["first", "frozen", "none"],
)
def test_runs_without_their_teacher_are_refused(runs: list[Run]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`recipe.runs` must give a teacher .* run \d"):
        check_runs(runs, SPACE, has_teacher=False)


@dataclass(frozen=True)
class Empty(Recipe):
    n_phases: int

    def phases(self, space: SearchSpace) -> Sequence[Phase]:
        return [Phase("empty", 1, 0.1)] * self.n_phases

    def runs(self, space: SearchSpace, phase: int, rng: np.random.Generator) -> Sequence[Run]:
        return []


@pytest.mark.parametrize(
    ("n_phases", "message"),
    [(0, "`recipe.phases` must give at least one"), (1, "`recipe.runs` must give at least one")],
)
def test_recipes_without_work_are_refused(n_phases: int, message: str) -> None:
    batches = [(torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.long))]
    with pytest.raises(InvalidArgumentError, match=message):
        train(Supernet(SPACE.family), batches, recipe=Empty(n_phases))


def test_learning_rate_rises_and_falls() -> None:
    phase = Phase("p", 14, 1.0, n_warmup_steps=4)
    rates = [learning_rate(phase.learning_rate, phase, step) for step in range(14)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[9] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.03


def test_batch_normalisation_and_biases_do_not_decay() -> None:
    supernet = Supernet(SPACE.family)
    decaying, others = make_optimiser(supernet, TrainingSettings()).param_groups
    names = {id(p): name for name, p in supernet.named_parameters()}
    assert (decaying["weight_decay"], others["weight_decay"]) == (3e-5, 0.0)
    assert all(".bn." in n or n.endswith("bias") for n in (names[id(p)] for p in others["params"]))
    assert not any(
        ".bn." in n or n.endswith("bias") for n in (names[id(p)] for p in decaying["params"])
    )
    assert len(decaying["params"]) + len(others["params"]) == len(names)
