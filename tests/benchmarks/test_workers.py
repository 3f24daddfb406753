"""``benchmarks/attacks/workers.py``, in small: nothing is lost, and all readers see the same."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rustuna", reason="Rustuna is not installed")

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "attacks"


@pytest.fixture
def workers(quiet_optuna: None) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module("workers")


def test_killed_workers_of_three_libraries_lose_nothing(
    workers: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workers.report(tmp_path / "study.db", 3, 0) == 0, capsys.readouterr().out
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if "una" in line]
    assert [row[2].strip() for row in rows[:3]] == ["1", "1", "1"]
    assert {row[4].strip() for row in rows[:3]} == {"0"}


def test_what_differs_is_noticed(workers: Any) -> None:
    values = {0: (1.0, 2.0), 1: (2.0, 1.0), 2: (0.5, 3.0)}
    excess = {0: -1.0, 1: -1.0, 2: 1.0}
    seen = workers.Seen(values, excess, workers.feasible_front(values, excess))
    assert seen.front == {(1.0, 2.0)}
    assert not workers.differs(seen, seen)
    assert workers.differs(seen._replace(values={}), seen)
    assert workers.differs(seen._replace(front=set()), seen)
    assert workers.differs(seen._replace(excess={**excess, 2: 0.0}), seen)
