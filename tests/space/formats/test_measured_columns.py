"""Columns of measurements, each row of which is possible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa.exceptions import FormatError
from optuna_ofa.space import SearchSpace, read_measured_subnets, subnet_to_dialect
from optuna_ofa.space.formats._measured_columns import require_columns

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=224)
SUBNETS = SPACE.from_matrix(SPACE.sample(12, seed=0))
HEAD = "Sub-network,Date,Model Parameters,Latency (ms),MACs,Top-1 Acc (%)\n"
Rows = np.ndarray[Any, np.dtype[np.float64]]


def rows(*, latency: bool = True) -> Rows:
    """Accuracies, multiply-adds, parameters and latencies of twelve subnets."""
    n_macs = np.linspace(1.2e8, 5e8, 12)
    ms = n_macs / 1e7 + 5 if latency else np.zeros(12)
    return np.round(np.stack([70 + n_macs / 1e8, n_macs, n_macs / 60, ms], axis=1), 3).round(0)


def swap(a: int, b: int, which: slice = slice(None)) -> Callable[[Rows], None]:
    def change(found: Rows) -> None:
        found[which, [a, b]] = found[which, [b, a]]

    return change


def put(row: int, column: int, value: float) -> Callable[[Rows], None]:
    def change(found: Rows) -> None:
        found[row, column] = value

    return change


def read(folder: Path, found: Rows) -> Rows:
    lines = [
        f'"{subnet_to_dialect(subnet, "ofa_tutorial")}",now,{n:.0f},{ms:g},{macs:.0f},{top1:g}\n'
        for subnet, (top1, macs, n, ms) in zip(SUBNETS, found, strict=True)
    ]
    (folder / "a.csv").write_text(HEAD + "".join(lines))
    measured = read_measured_subnets(folder / "a.csv", SPACE.family)
    return np.stack([measured.top1, measured.n_macs, measured.n_params, measured.latency_ms], 1)


@pytest.mark.parametrize("latency", [True, False])
def test_sound_columns_are_read(latency: bool, tmp_path: Path) -> None:
    expected = rows(latency=latency)
    if not latency:
        expected[:, 3] = np.nan
    np.testing.assert_array_equal(read(tmp_path, rows(latency=latency)), expected)


@pytest.mark.parametrize("latency", [True, False])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (swap(0, 3), "accuracies and latencies .* probably exchanged"),
        (swap(0, 3, slice(3, 4)), "accuracies and latencies .* probably exchanged"),
        (swap(1, 2), r"line \d+: n_macs must be above n_params.*they are probably exchanged"),
        (swap(1, 2, slice(3, 4)), "n_macs must be above n_params"),
        (swap(2, 3), "latency_ms must be positive, at most 600,000"),
        (swap(0, 1), "top1 must be in percent"),
        (put(3, 1, 1e12), r"n_macs like those of other rows, but row 4 of .*a\.csv has 1e\+12"),
        (put(3, 2, 1e10), "n_macs must be above n_params|n_params like those of other rows"),
        (put(3, 0, 1e-3), "top1 like those of other rows"),
        (put(3, 3, 5_029_656), "latency_ms must be positive, at most 600,000"),
        (put(3, 3, -1), "latency_ms must be positive"),
        (put(3, 0, float("nan")), "top1 must be a finite number"),
    ],
    ids=[
        *("top1-latency", "in a row", "counts", "counts in a row", "latency-params", "top1-macs"),
        *("macs", "params", "top1", "minutes", "negative", "nan"),
    ],
)
def test_columns_of_something_else_are_refused(
    change: Callable[[Rows], None], match: str, latency: bool, tmp_path: Path
) -> None:
    found = rows(latency=latency)
    change(found)
    with pytest.raises(FormatError, match=match) as error:
        read(tmp_path, found)
    assert "a.csv" in str(error.value)


def test_counts_are_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        f'{HEAD}"{subnet_to_dialect(SUBNETS[0], "ofa_tutorial")}",now,3e6,0,1.5,75\n'
    )
    with pytest.raises(FormatError, match=r"line 2: n_macs must be whole, positive, .* got 1\.5"):
        read_measured_subnets(tmp_path / "a.csv", SPACE.family)


def test_latencies_alone_are_read(tmp_path: Path) -> None:
    found = rows()
    found[:, 0] = 0
    assert np.isnan(read(tmp_path, found)[:, 0]).all()


def test_few_rows_are_not_compared() -> None:
    require_columns(rows()[:1], "a.csv")
    require_columns(np.empty((0, 4)), "a.csv")
