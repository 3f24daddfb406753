"""The test whether measurements have unknown groups, in their order."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.exceptions import GroupWarning
from optuna_ofa.predictors import AccuracyPredictor, CostPredictor
from optuna_ofa.predictors._run_order import run_breaks
from optuna_ofa.space import SearchSpace, Subnet, read_measured_subnets

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[128, 160, 192, 224])
MACS = CostPredictor("n_macs", SPACE)
NOISE = 0.1


def truth(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
    """Saturates, so that a linear model does not fit it."""
    return np.asarray(75 - 10 * np.exp(-MACS.predict(matrix) / 2e8))


def drawn(n: int, seed: int) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    matrix = SPACE.sample(n, seed=seed)
    return matrix, truth(matrix) + np.random.default_rng(seed).normal(0, NOISE, n)


ORDERS = {
    "random": lambda matrix, top1: np.arange(len(top1)),
    "by top1": lambda matrix, top1: np.argsort(top1),
    "by top1, falling": lambda matrix, top1: np.argsort(-top1),
    "by size": lambda matrix, top1: np.argsort(MACS.predict(matrix)),
    "by genes": lambda matrix, top1: np.lexsort(matrix.T[::-1]),
    "improving": lambda matrix, top1: np.argsort(
        truth(matrix) + np.random.default_rng(99).normal(0, top1.std(), len(top1))
    ),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [5, 29, 60, 300, 1200])
def test_rows_without_groups_have_no_breaks(order: str, n: int) -> None:
    for seed in range(3):
        matrix, top1 = drawn(n, seed)
        rows = ORDERS[order](matrix, top1)
        assert not len(run_breaks(SPACE, matrix[rows], top1[rows]))


@pytest.mark.parametrize("name", ["evoga_acc", "evonsga2_acc_macs", "evounsga3_acc_macs_params"])
def test_published_searches_have_no_breaks(shared_data: Path, name: str) -> None:
    file = shared_data / "ofa_mbv3_w1.0_measured" / f"mbnv3w10_{name}.csv"
    measured = read_measured_subnets(file, SPACE.family)
    known = np.isfinite(measured.top1)
    matrix = SPACE.to_matrix(measured.subnets)[known]
    assert not len(run_breaks(SPACE, matrix, measured.top1[known]))


def test_published_rows_of_four_workers_have_their_breaks(shared_data: Path) -> None:
    file = shared_data / "ofa_mbv3_w1.0_resolutions" / "top1_128_160_192.csv"
    lines = [line.split(",") for line in file.read_text().splitlines()[1:]]
    subnets = [
        Subnet(
            family=SPACE.family,
            resolution=int(r),
            depth=tuple(map(int, d.split())),
            kernel=tuple(map(int, ks.split())),
            expand=tuple(map(int, e.split())),
        )
        for _, ks, e, d, r, *_ in lines
    ]
    top1 = np.array([float(line[5]) for line in lines])
    matrix = SPACE.to_matrix(subnets)
    with pytest.warns(GroupWarning, match=r"rows 0 to 4\d\d -0\.1\d, 4.* pass `group=`, a label"):
        AccuracyPredictor.fit(SPACE, matrix, top1, model="ridge")
    rows = np.array([int(line[0]) for line in lines])[run_breaks(SPACE, matrix, top1)]
    for published in (660, 1310, 1960):
        assert np.abs(rows - published).min() < 20
    mixed = np.random.default_rng(0).permutation(len(top1))
    assert not len(run_breaks(SPACE, matrix[mixed], top1[mixed]))


@pytest.mark.parametrize("n", [200, 400, 2400, 12000])
def test_planted_breaks_are_found(n: int) -> None:
    matrix, top1 = drawn(n, 0)
    starts = np.array([n // 4, n // 2, 7 * n // 8])
    top1 += np.array([0.0, 0.4, -0.2, 0.3])[np.searchsorted(starts, np.arange(n), side="right")]
    breaks = run_breaks(SPACE, matrix, top1)
    assert len(breaks) == 3
    assert np.abs(breaks - starts).max() <= max(6, n // 100)


def test_repeats_in_a_row_are_one_measurement() -> None:
    matrix, top1 = drawn(100, 0)
    assert not len(run_breaks(SPACE, np.repeat(matrix, 8, axis=0), np.repeat(top1, 8)))


def test_same_subnets_measured_twice_show_a_break_between() -> None:
    matrix, top1 = drawn(60, 0)
    breaks = run_breaks(SPACE, np.tile(matrix, (2, 1)), np.r_[top1, top1 + 0.5])
    assert breaks.tolist() == [60]


def test_a_few_failed_measurements_are_no_group() -> None:
    matrix, top1 = drawn(300, 0)
    top1[[10, 11, 200]] = 1.0
    assert not len(run_breaks(SPACE, matrix, top1))


def test_warning_shows_where_and_how_much_and_labels_end_it() -> None:
    matrix, top1 = drawn(300, 0)
    group = (np.arange(300) >= 100).astype(int)
    top1 = top1 + 0.6 * group
    match = r"2 groups with offsets.*\(p < 0.001\): rows 0 to 99 -0\.\d+, 100 to 299 \+0\.2 points"
    with pytest.warns(GroupWarning, match=match):
        AccuracyPredictor.fit(SPACE, matrix, top1, model="ridge")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AccuracyPredictor.fit(SPACE, matrix, top1, model="ridge", group=group)


def test_at_most_six_runs_are_shown() -> None:
    matrix, top1 = drawn(800, 0)
    top1 += 0.5 * (np.arange(800) // 100 % 2)
    with pytest.warns(GroupWarning, match=r"8 groups .*: rows (\d+ to \d+ [+-]0\.\d+, ){6}\.\.\. "):
        AccuracyPredictor.fit(SPACE, matrix, top1, model="ridge")


def test_warnings_point_at_the_line_of_the_fit() -> None:
    matrix, top1 = drawn(300, 0)
    with pytest.warns(GroupWarning) as caught:
        AccuracyPredictor.fit(SPACE, matrix, top1 + (np.arange(300) >= 150), model="ridge")
    assert Path(caught[0].filename) == Path(__file__)


def test_false_alarms_are_rare() -> None:
    sizes = itertools.cycle([40, 80, 160])
    alarms = sum(
        len(run_breaks(SPACE, *drawn(n, seed))) > 0
        for seed, n in zip(range(100, 200), sizes, strict=False)
    )
    assert alarms <= 1
