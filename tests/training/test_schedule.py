"""Runs that are made longer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import TensorDataset

from optuna_ofa.exceptions import FormatError, InvalidArgumentError
from optuna_ofa.space import SearchSpace, Subnet
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import (
    Phase,
    ProgressiveShrinking,
    Recipe,
    Run,
    Sandwich,
    TrainingSettings,
    train,
)
from optuna_ofa.training._schedule import Schedule, learning_rate

Make = Callable[..., Supernet]
SANDWICH = Sandwich(n_steps=4, learning_rate=0.125, n_random=0)
SHRINKING = ProgressiveShrinking(
    n_steps=12, learning_rate=0.1, shares={"depth 1": 100, "expand 1": 100}
)


@pytest.fixture
def loader(dataset: TensorDataset) -> list[Any]:
    """Two small batches an epoch."""
    return [dataset[:8], dataset[8:16]]


class StoppedError(Exception):
    """A run was stopped."""


def run(
    net: Supernet, loader: Any, recipe: Recipe, path: Path | None, stop: int = 0, **settings: Any
) -> list[float]:
    """Train and return the learning rates of all steps; stop at the end of a step, if given."""
    rates: list[float] = []

    def optimizer(parameters: list[dict[str, Any]]) -> SGD:
        made = SGD(parameters, lr=0.125, momentum=0.9)
        made.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
        return made

    def evaluate(net: Supernet, subnets: Sequence[Subnet]) -> list[float]:
        if len(rates) == stop:
            raise StoppedError
        return [0.0] * len(subnets)

    every = 1 if stop else 100
    train(
        net,
        loader,
        recipe=recipe,
        settings=TrainingSettings(optimizer=optimizer, **settings),
        evaluate=evaluate,
        evaluate_every=every,
        checkpoint=path,
        checkpoint_every=every,
        n_followed=0,
        progress=False,
    )
    return rates


def cosine(step: int, n_steps: int) -> float:
    return learning_rate(0.125, Phase("any", n_steps, 0.125), step)


@pytest.mark.parametrize("settings", [{}, {"scheduler": CosineAnnealingLR}], ids=["", "scheduler"])
def test_a_finished_run_goes_on_at_the_rate_of_the_longer_one(
    settings: dict[str, Any], make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    path, longer = tmp_path / "run.pt", replace(SANDWICH, n_steps=8)
    net = make_supernet()
    first = run(net, loader, SANDWICH, path, **settings)
    before = net.get_parameter("classifier.linear.weight").clone()
    second = run(make_supernet(), loader, longer, path, **settings)
    assert first == pytest.approx([cosine(step, 4) for step in range(4)])
    assert second == pytest.approx([cosine(step, 8) for step in range(4, 8)])
    assert second[0] == pytest.approx(0.125 / 2)
    # and again, which changes nothing, from the weights of the longer run
    again = make_supernet()
    assert run(again, loader, longer, path, **settings) == []
    assert not torch.equal(again.get_parameter("classifier.linear.weight"), before)


def test_a_run_made_longer_in_its_first_step_is_the_longer_run(
    make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    path, longer = tmp_path / "run.pt", replace(SANDWICH, n_steps=8)
    whole, net = make_supernet(), make_supernet()
    run(whole, loader, longer, None)
    with pytest.raises(StoppedError):  # the first step has the same rate in both
        run(net, loader, SANDWICH, path, stop=2)
    assert torch.load(path, weights_only=True)["step"] == 1
    run(net, loader, longer, path)
    torch.testing.assert_close(net.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_a_longer_run_that_is_interrupted_gives_the_same_weights(
    make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    """Its schedule depends on where it was made longer, so the checkpoint has it."""
    longer, weights = replace(SHRINKING, n_steps=20), []
    for stops in ([], [3]):
        path = tmp_path / f"{len(stops)}.pt"
        with pytest.raises(StoppedError):
            run(make_supernet(), loader, SHRINKING, path, stop=7)
        for stop in stops:
            with pytest.raises(StoppedError):
                run(make_supernet(), loader, longer, path, stop=stop)
        net = make_supernet()
        run(net, loader, longer, path)
        weights.append(net.state_dict())
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def lengths(schedule: Schedule) -> list[int]:
    return [phase.n_steps for phase in schedule.phases]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (1, [4, 12, 4, 20]),  # as if it had been so long from the start
        (3, [2, 13, 4, 21]),  # 38 steps by 12 : 4 : 20
        (10, [2, 6, 2, 30]),
        (20, [2, 6, 2, 30]),
        (8, [2, 6, 5, 27]),  # the next phase has not begun
    ],
    ids=["first-phase", "second-phase", "last-phase", "finished", "between-phases"],
)
def test_phases_that_are_over_stay_as_they_were(step: int, expected: list[int]) -> None:
    short, long = (
        Schedule(Phase(str(i), n * factor, 0.1) for i, n in enumerate([2, 6, 2, 10]))
        for factor in (1, 2)
    )
    made = long.continuing(short, step)
    assert lengths(made) == expected
    assert made.n_steps == 40


def test_a_phase_is_never_shorter_than_what_is_done() -> None:
    written = Schedule([Phase("one", 9, 0.1), Phase("two", 1, 0.1)])
    longer = Schedule([Phase("one", 6, 0.1, 5), Phase("two", 6, 0.1)])
    made = longer.continuing(written, 8)
    assert lengths(made) == [8, 4]
    assert made.index(8) == 1


@dataclass(frozen=True)
class Named(Recipe):
    """Its phases depend on the number of steps."""

    n_steps: int

    def phases(self, space: SearchSpace) -> Sequence[Phase]:
        return [Phase(f"of {self.n_steps}", self.n_steps, 0.1)]

    def runs(self, space: SearchSpace, phase: int, rng: np.random.Generator) -> Sequence[Run]:
        return [Run(space.smallest())]


@pytest.mark.parametrize(
    ("written", "recipe", "message"),
    [
        (SANDWICH, replace(SANDWICH, n_steps=3), r"`recipe\.n_steps` must be at least 4, .* got 3"),
        (
            SANDWICH,
            replace(SANDWICH, n_steps=8, n_random=1),
            r"`recipe` .*written, Sandwich\(learning_rate=0.125, .*n_random=0.*n_random=1",
        ),
        (Named(4), Named(5), "`recipe` must have the phases .* of 4, but has of 5"),
    ],
    ids=["shorter", "another", "phases"],
)
def test_only_more_steps_are_accepted(
    written: Recipe, recipe: Recipe, message: str, make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    run(make_supernet(), loader, written, tmp_path / "run.pt")
    with pytest.raises(InvalidArgumentError, match=message):
        run(make_supernet(), loader, recipe, tmp_path / "run.pt")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("phases", [("sandwich", 0, 0.1, 0)]),
        ("phases", []),
        ("positions", []),
        ("positions", [(0, 2, 16, 2)]),
        ("positions", [(0, -1, 16, 1)]),
    ],
    ids=["no-steps", "no-phase", "no-process", "one-of-two", "negative"],
)
def test_a_checkpoint_with_impossible_numbers_is_refused(
    key: str, value: Any, make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    path = tmp_path / "run.pt"
    run(make_supernet(), loader, SANDWICH, path)
    torch.save({**torch.load(path, weights_only=True), key: value}, path)
    with pytest.raises(FormatError, match=r"`checkpoint` .*run\.pt is damaged"):
        run(make_supernet(), loader, SANDWICH, path)
