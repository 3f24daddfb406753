"""Opening a storage and making a study at the same moment as another process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import optuna
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from optuna_ofa.exceptions import StorageError, StudyMismatchError
from optuna_ofa.storage import _make, _open as opening
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]


def failing(call: Callable[..., object], error: Exception) -> Callable[..., object]:
    """The same call, but the first time it fails."""
    errors = [error]

    def fail(*args: object, **kwargs: object) -> object:
        if errors:
            raise errors.pop()
        return call(*args, **kwargs)

    return fail


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(
            OperationalError("", {}, sqlite3.Error("table studies already exists")), id="table"
        ),
        pytest.param(
            IntegrityError("", {}, sqlite3.Error("UNIQUE constraint failed: alembic_version")),
            id="version",
        ),
        pytest.param(OperationalError("", {}, sqlite3.Error("Deadlock found")), id="deadlock"),
    ],
)
def test_tables_that_another_process_makes_are_found(
    make_study: Make, sqlite: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(opening, "get_storage", failing(opening.get_storage, error))
    assert make_study(storage=sqlite, study_name="a").trials == []


def test_other_errors_are_raised_at_once(
    make_study: Make, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OperationalError("", {}, sqlite3.Error("disk is full"))
    monkeypatch.setattr(opening, "get_storage", failing(opening.get_storage, full))
    with pytest.raises(StorageError, match="disk is full"):
        make_study(storage=sqlite, study_name="a")


def test_a_study_that_another_process_makes_is_waited_for(
    make_study: Make, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = make_study().problem
    optuna.create_study(storage=sqlite, study_name="a", directions=problem.directions)

    def describe(_: float) -> None:
        study = optuna.load_study(study_name="a", storage=sqlite)
        study.set_user_attr(_make.DESCRIPTION, problem.describe())

    monkeypatch.setattr(_make.time, "sleep", describe)
    assert make_study(storage=sqlite, study_name="a", load_if_exists=True).trials == []


def test_what_a_process_left_that_died_while_it_made_a_study_is_taken(
    make_study: Make, url: str, names: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = {"storage": url, "study_name": names()}

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_make, "_describe", die)
        with pytest.raises(KeyboardInterrupt):
            make_study(**study)
    monkeypatch.setattr(_make, "_PAUSE_S", 0.0)
    for _ in range(2):
        repaired = make_study(**study, load_if_exists=True)
        repaired.search(10)
    assert len(repaired.trials) == 20
    assert repaired.metric_names == ["top1", "latency_ms"]
    with pytest.raises(StudyMismatchError, match=r"has constraints \{\}"):
        make_study(**study, load_if_exists=True, constraints={"latency_ms": 30.0})


def test_a_study_that_is_made_since_the_look_is_loaded(
    make_study: Make, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study(storage=sqlite, study_name="a").search(5)
    monkeypatch.setattr(optuna, "get_all_study_names", lambda storage: [])
    assert len(make_study(storage=sqlite, study_name="a", load_if_exists=True).trials) == 5
