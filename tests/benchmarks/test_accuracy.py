"""``benchmarks/accuracy.py``: what it compares, and that it runs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from optuna_ofa.predictors import CostPredictor
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.space import SearchSpace

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=224)
POOL = np.unique(SPACE.sample(300, seed=0), axis=0)


@pytest.fixture(scope="module")
def import_benchmark() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module


@pytest.fixture(scope="module")
def benchmark(import_benchmark: Any) -> ModuleType:
    module: ModuleType = import_benchmark("accuracy")
    return module


def rows_of(n: int) -> MeasuredRows:
    top1 = np.random.default_rng(0).normal(75, 1, n)
    return MeasuredRows(POOL[:n], top1, np.ones(n, dtype=np.int64))


@pytest.mark.parametrize("split", ["random", "top"])
def test_no_subnet_is_on_both_sides(benchmark: ModuleType, split: str) -> None:
    train, test = benchmark.split_rows(rows_of(200), split, 50, seed=0)
    assert len(train) == 50
    assert len(np.intersect1d(train, test)) == 0
    assert len(np.unique(train)) == 50


def test_the_top_is_above_everything_that_was_fitted_to(benchmark: ModuleType) -> None:
    rows = rows_of(200)
    train, test = benchmark.split_rows(rows, "top", 160, seed=0)
    assert len(test) == 40
    assert rows.top1[train].max() < rows.top1[test].min()


def test_scores_are_those_of_the_errors(benchmark: ModuleType) -> None:
    rows = rows_of(100)
    fitted = benchmark.Fitted(lambda matrix: rows.top1 + 1, lambda matrix: np.full(100, 0.7))
    score = benchmark.score(fitted, rows)
    assert (score.tau, score.rmse, score.coverage) == pytest.approx((1.0, 1.0, 1.0))
    narrow = benchmark.Fitted(fitted.predict, lambda matrix: np.full(100, 0.5))
    assert benchmark.score(narrow, rows).coverage == 0


@pytest.mark.parametrize(
    "name", ["as the pool is", "uniform over MACs", "like uniform genes", "far apart (max-min)"]
)
def test_spreads_choose_different_rows(import_benchmark: Any, name: str) -> None:
    spreads = import_benchmark("_accuracy_spread").SPREADS
    chosen = spreads[name](SPACE, POOL, 40, np.random.default_rng(0))
    assert len(np.unique(chosen)) == len(chosen) == 40
    assert set(chosen) <= set(range(len(POOL)))


def test_uniform_over_macs_is_flatter_than_the_pool(import_benchmark: Any) -> None:
    module = import_benchmark("_accuracy_spread")
    macs = CostPredictor("n_macs", SPACE).predict(POOL)
    rng = np.random.default_rng(0)
    deviations = [
        np.std(macs[choose(SPACE, POOL, 60, rng)])
        for choose in (module.over_macs, module.at_random)
    ]
    assert deviations[0] > 1.2 * deviations[1]


def test_cubic_rbf_interpolates(import_benchmark: Any) -> None:
    rivals = import_benchmark("_accuracy_rivals")
    top1 = np.random.default_rng(0).normal(75, 1, 80)
    fitted = rivals.cubic_rbf(SPACE, POOL[:80], top1, 0)
    np.testing.assert_allclose(fitted.predict(POOL[:80]), top1, atol=1e-3)


def test_it_runs(
    benchmark: ModuleType,
    whole_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = ["Gaussian process", "ridge, one-hot", "cubic RBF", "MACs alone"]
    command = [
        "accuracy.py",
        "--data",
        str(whole_data),
        "--repeats",
        "1",
        "--spread-repeats",
        "1",
        "--sizes",
        "60",
        "--predict",
        "500",
        "--models",
        *models,
        "--left-out",
    ]
    monkeypatch.setattr(sys, "argv", command)
    benchmark.main()
    out = capsys.readouterr().out
    lines = {line[:21].strip(): line[21:].split() for line in out.splitlines() if line}
    taus = {name: float(lines[name][0].split("/")[0]) for name in models}
    assert taus["Gaussian process"] > taus["MACs alone"] > 0.7
    assert len(lines["uniform over MACs"]) == 4  # both parts, each with its share in brackets
