"""Races: subnets that the front does not need stop early."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import optuna_ofa
from optuna_ofa import EvaluationSettings, SearchSpace, Supernet, evaluate
from optuna_ofa.evaluation import _race
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import Matrix

Loaders = Callable[..., DataLoader]
N_IMAGES = 400


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/a.db"


@pytest.fixture
def matrix(space: SearchSpace) -> Matrix:
    return space.sample(12, seed=0)


@pytest.fixture
def costs(space: SearchSpace, matrix: Matrix) -> np.ndarray:
    return CostPredictor("n_macs", space).predict(matrix)


@pytest.fixture
def settings(make_loader: Loaders) -> EvaluationSettings:
    calibration = make_loader(64, seed=6).dataset.tensors[0]
    return EvaluationSettings(calibration=calibration, rungs=(40, 120), tolerance=1.0)


@pytest.fixture
def seen() -> Iterator[list[int]]:
    """The number of images of every forward pass of a network that is not calibrated."""
    found: list[int] = []

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        is_net = isinstance(module, nn.Sequential) and "first_conv" in dict(module.named_children())
        if is_net and not any(m.training for m in module.modules()):
            found.append(len(inputs[0]))

    hook = nn.modules.module.register_module_forward_pre_hook(count)
    yield found
    hook.remove()


def test_some_stop_and_the_others_have_the_accuracy_of_all_images(
    trained: Supernet,
    matrix: Matrix,
    costs: np.ndarray,
    settings: EvaluationSettings,
    make_loader: Loaders,
    seen: list[int],
) -> None:
    whole = evaluate(trained, matrix, make_loader(N_IMAGES, seed=5), settings)
    n_whole = sum(seen)
    seen.clear()
    raced = evaluate(trained, matrix, make_loader(N_IMAGES, seed=5), settings, costs=costs)
    assert n_whole == 12 * N_IMAGES
    assert sum(seen) < n_whole
    assert sum(seen) == raced.n_images.sum()
    done = np.isfinite(raced.top1)
    np.testing.assert_array_equal(raced.top1[done], whole.top1[done])
    np.testing.assert_array_equal(raced.top5[done], whole.top5[done])
    assert (raced.n_images[done] == N_IMAGES).all()
    assert sorted(raced.partial) == np.flatnonzero(~done).tolist()
    assert set(raced.n_images[~done]) <= {40, 120}
    for row, partial in raced.partial.items():
        assert partial.n_images == raced.n_images[row]
        assert abs(partial.top1 - whole.top1[row]) < 5 * partial.top1_std
        assert "points behind" in partial.reason or "nothing to the front" in partial.reason
    assert not raced.failures
    assert np.isnan(raced.top1_std[~done]).all()


def test_the_same_subnets_in_any_order_and_batches(
    trained: Supernet,
    space: SearchSpace,
    matrix: Matrix,
    costs: np.ndarray,
    settings: EvaluationSettings,
    make_loader: Loaders,
) -> None:
    loader = make_loader(N_IMAGES, seed=5)
    once = evaluate(trained, matrix, loader, settings, costs=costs)
    images, labels = loader.dataset.tensors
    mixed = torch.randperm(N_IMAGES, generator=torch.Generator().manual_seed(0))
    batches = list(zip(images[mixed].split(37), labels[mixed].split(37), strict=True))
    again = evaluate(trained, matrix[::-1], batches, settings, costs=costs[::-1, None])
    np.testing.assert_array_equal(again.top1[::-1], once.top1)
    np.testing.assert_array_equal(again.n_images[::-1], once.n_images)
    shuffling = DataLoader(loader.dataset, batch_size=50, shuffle=True)
    third = evaluate(trained, matrix, shuffling, settings, costs=costs)
    np.testing.assert_array_equal(third.n_images, once.n_images)


@pytest.mark.parametrize("stop_at", [1, 4, 8])
def test_an_interrupted_race_continues_to_the_same_result(
    trained: Supernet,
    matrix: Matrix,
    costs: np.ndarray,
    settings: EvaluationSettings,
    make_loader: Loaders,
    url: str,
    seen: list[int],
    monkeypatch: pytest.MonkeyPatch,
    stop_at: int,
) -> None:
    loader = make_loader(N_IMAGES, seed=5)
    expected = evaluate(trained, matrix, loader, settings, costs=costs)
    n_expected = sum(seen)
    seen.clear()
    n_groups = 0
    note = _race.Race._note

    def interrupted(self: _race.Race, *args: Any, **kwargs: Any) -> None:
        nonlocal n_groups
        n_groups += 1
        if n_groups == stop_at:
            raise KeyboardInterrupt
        note(self, *args, **kwargs)

    monkeypatch.setattr(_race.Race, "_note", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(trained, matrix, loader, settings, costs=costs, storage=url)
    found = evaluate(trained, matrix, loader, settings, costs=costs, storage=url)
    np.testing.assert_array_equal(found.top1, expected.top1)
    assert found.partial == expected.partial
    assert sum(seen) <= n_expected + 8 * N_IMAGES  # the group that was interrupted
    seen.clear()
    again = evaluate(trained, matrix, loader, settings, costs=costs, storage=url)
    np.testing.assert_array_equal(again.top1, expected.top1)
    assert again.partial == expected.partial
    assert not seen


def test_an_estimate_is_no_accuracy_on_all_images(
    trained: Supernet,
    space: SearchSpace,
    matrix: Matrix,
    costs: np.ndarray,
    settings: EvaluationSettings,
    make_loader: Loaders,
    url: str,
    seen: list[int],
) -> None:
    loader = make_loader(N_IMAGES, seed=5)
    raced = evaluate(trained, matrix, loader, settings, costs=costs, storage=url)
    rows = optuna_ofa.read_measurements(url, space, metric="top1")
    assert len(rows) == np.isfinite(raced.top1).sum()
    assert {row.n for row in rows} == {N_IMAGES}
    seen.clear()
    # all images were asked for: those that were evaluated are not evaluated again
    whole = evaluate(trained, matrix, loader, settings, storage=url)
    assert sum(seen) == 12 * N_IMAGES - raced.n_images.sum()
    assert not whole.partial
    assert (whole.n_images == N_IMAGES).all()
    alone = evaluate(trained, matrix, loader, settings)
    np.testing.assert_array_equal(whole.top1, alone.top1)
    np.testing.assert_array_equal(whole.top5, alone.top5)
    rows = optuna_ofa.read_measurements(url, space, metric="top1")
    assert {row.n for row in rows} == {N_IMAGES}
    seen.clear()
    evaluate(trained, matrix, loader, settings, storage=url, again=True)
    assert sum(seen) == 12 * N_IMAGES


def test_accuracies_of_before_are_kept_and_not_evaluated_again(
    trained: Supernet,
    matrix: Matrix,
    costs: np.ndarray,
    settings: EvaluationSettings,
    make_loader: Loaders,
    url: str,
    seen: list[int],
) -> None:
    loader = make_loader(N_IMAGES, seed=5)
    whole = evaluate(trained, matrix[:6], loader, settings, storage=url)
    seen.clear()
    raced = evaluate(trained, matrix, loader, settings, storage=url, costs=costs)
    np.testing.assert_array_equal(raced.top1[:6], whole.top1)
    assert sum(seen) == raced.n_images[6:].sum()


def test_without_a_tolerance_only_dominated_subnets_stop(
    trained: Supernet,
    matrix: Matrix,
    costs: np.ndarray,
    settings: EvaluationSettings,
    make_loader: Loaders,
) -> None:
    loader = make_loader(N_IMAGES, seed=5)
    strict = replace(settings, tolerance=0)
    whole = evaluate(trained, matrix, loader, settings)
    raced = evaluate(trained, matrix, loader, strict, costs=costs)
    for row in raced.partial:
        rivals = (costs <= costs[row]) & (np.arange(12) != row)
        assert whole.top1[rivals].max() > whole.top1[row]
    assert len(raced.partial) <= len(
        evaluate(trained, matrix, loader, settings, costs=costs).partial
    )


def test_a_loader_that_changes_is_refused(
    trained: Supernet, matrix: Matrix, costs: np.ndarray, settings: EvaluationSettings
) -> None:
    rng = np.random.default_rng(0)

    class Noise:
        def __iter__(self) -> Iterator[Any]:
            images = torch.tensor(rng.standard_normal((300, 3, 32, 32)), dtype=torch.float32)
            return iter([(images, torch.zeros(300, dtype=torch.long))])

    with pytest.raises(
        InvalidArgumentError, match="`loader` must give the same images in the same"
    ):
        evaluate(trained, matrix, Noise(), settings, costs=costs)


def test_a_function_of_the_resolution_races_too(
    trained: Supernet,
    matrix: Matrix,
    costs: np.ndarray,
    settings: EvaluationSettings,
    make_loader: Loaders,
) -> None:
    found = evaluate(
        trained, matrix, lambda r: make_loader(N_IMAGES, seed=5, size=r), settings, costs=costs
    )
    assert found.partial
    assert np.isfinite(found.top1).sum() + len(found.partial) == 12


def test_processes_find_the_same(
    trained: Supernet,
    matrix: Matrix,
    costs: np.ndarray,
    settings: EvaluationSettings,
    make_loader: Loaders,
) -> None:
    loader = make_loader(N_IMAGES, seed=5)
    serial = evaluate(trained, matrix[:6], loader, settings, costs=costs[:6])
    several = evaluate(trained, matrix[:6], loader, replace(settings, processes=2), costs=costs[:6])
    np.testing.assert_array_equal(several.top1, serial.top1)
    assert several.partial == serial.partial


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"rungs": (500, 100)}, "`rungs` must be.*increasing", id="falling"),
        pytest.param({"rungs": (0,)}, r"`rungs\[0\]` must be a whole number", id="zero"),
        pytest.param({"tolerance": -1}, "`tolerance` must be a number from 0", id="negative"),
    ],
)
def test_bad_settings(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        EvaluationSettings(calibration=None, **arguments)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            [1.0, 2.0], "`costs` must have a row for each of 3 subnets, but has 2", id="n"
        ),
        pytest.param([1.0, 2.0, np.nan], "`costs` must be finite numbers", id="nan"),
        pytest.param(["a", "b", "c"], "`costs` must be finite numbers", id="text"),
        pytest.param(3.0, "`costs` must be finite numbers", id="one"),
    ],
)
def test_bad_costs(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    settings: EvaluationSettings,
    given: Any,
    message: str,
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        evaluate(trained, space.sample(3, seed=0), make_loader(50), settings, costs=given)
