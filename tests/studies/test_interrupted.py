"""An exception at any moment: the same object continues as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from optuna_ofa.problem import Problem
from optuna_ofa.samplers import Evolution
from optuna_ofa.storage._public_store import PublicStore
from optuna_ofa.storage._table_store import TableStore
from optuna_ofa.studies import SubnetStudy
from optuna_ofa.studies._archive import Archive

Make = Callable[..., SubnetStudy]
THREE = ("top1", "latency_ms", "n_params")


class Place(NamedTuple):
    """Where an exception comes from: before or after a call of a method."""

    owners: tuple[type, ...]
    name: str
    call: int
    after: bool


STORES = (TableStore, PublicStore)
PLACES = {
    "prediction": Place((Problem,), "evaluate", 1, after=False),
    "predicted": Place((Problem,), "evaluate", 1, after=True),
    "one-metric-predicted": Place((Problem,), "predict", 1, after=True),
    "proposed": Place((Evolution,), "ask", 1, after=True),
    "before-writing": Place(STORES, "write", 1, after=False),
    "written": Place(STORES, "write", 1, after=True),
    "read": Place(STORES, "read", 1, after=True),
    "archived": Place((Archive,), "add", 3, after=True),
    "before-learning": Place((Evolution,), "tell", 1, after=False),
    "learnt": Place((Evolution,), "tell", 2, after=True),
}


class Interruption:
    """Raises an exception at one call of a method, and never again."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.left = 0

    def at(self, place: Place, error: BaseException) -> None:
        self._patch.undo()
        self.left = place.call
        for owner in place.owners:
            self._patch.setattr(owner, place.name, self._raising(owner, place, error))

    def _raising(self, owner: type, place: Place, error: BaseException) -> Callable[..., Any]:
        whole = getattr(owner, place.name)

        def method(*args: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not place.after:
                raise error
            result = whole(*args, **options)
            if self.left == 0:
                self.left = -1
                raise error
            return result

        return method


@pytest.fixture
def interruption(monkeypatch: pytest.MonkeyPatch) -> Interruption:
    return Interruption(monkeypatch)


@pytest.fixture(params=["memory", "sqlite", "journal", "postgresql", "mysql"])
def storages(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    database: Callable[[str], str],
    delete_studies: Callable[..., None],
) -> Iterator[Callable[[], dict[str, Any]]]:
    """Make the arguments of a study in a storage of each kind, a new study each time."""
    kind, names = request.param, list[str]()

    def make() -> dict[str, Any]:
        names.append(f"test-{uuid4()}")
        storage: Any = None
        if kind == "sqlite":
            storage = f"sqlite:///{tmp_path}/studies.db"
        elif kind == "journal":
            storage = JournalStorage(JournalFileBackend(str(tmp_path / "log")))
        elif kind != "memory":
            storage = database(kind)
        return {"storage": storage, "study_name": names[-1]}

    yield make
    if names and kind in ("postgresql", "mysql"):
        delete_studies(database(kind), names)


def course(study: SubnetStudy) -> list[str]:
    """Everything about the trials but their times."""
    return [
        json.dumps([t.number, t.state.name, t.params, t.values, dict(sorted(t.user_attrs.items()))])
        for t in study.trials
    ]


def interrupt(study: SubnetStudy, name: str, interruption: Interruption) -> None:
    """Search, with an exception from a place."""
    interruption.at(PLACES[name], KeyboardInterrupt(name))
    with pytest.raises(KeyboardInterrupt, match=name):
        study.search(until=260)


def test_a_search_continues_as_an_uninterrupted_one(
    make_study: Make, storages: Callable[[], Any], interruption: Interruption
) -> None:
    whole, broken = make_study(), make_study(**storages())
    whole.search(until=260)
    for place in PLACES:
        interrupt(broken, place, interruption)
        assert course(broken) == course(whole)[: len(broken.trials)], place
    broken.search(until=260)
    assert course(broken) == course(whole)


@pytest.mark.parametrize("error", [SystemExit, MemoryError, GeneratorExit, RuntimeError])
def test_any_exception_outside_of_a_predictor(
    make_study: Make, sqlite: str, error: type[BaseException], interruption: Interruption
) -> None:
    whole, broken = make_study(), make_study(storage=sqlite)
    whole.search(until=260)
    interruption.at(PLACES["learnt"], error("here"))
    with pytest.raises(error, match="here"):
        broken.search(until=260)
    broken.search(until=260)
    assert course(broken) == course(whole)


@pytest.mark.parametrize(
    "arguments",
    [{"objectives": THREE}, {"constraints": {"latency_ms": 30.0, "n_params": 5e6}}],
    ids=["three-objectives", "constraints"],
)
def test_with_other_problems(
    make_study: Make, arguments: dict[str, Any], interruption: Interruption
) -> None:
    whole, broken = make_study(**arguments), make_study(**arguments)
    whole.search(until=260)
    for place in ("prediction", "written", "learnt"):
        interrupt(broken, place, interruption)
    broken.search(until=260)
    assert course(broken) == course(whole)


def test_without_a_seed(make_study: Make, interruption: Interruption) -> None:
    broken = make_study(seed=None)
    whole = make_study(seed=broken.seed)
    whole.search(until=260)
    interrupt(broken, "learnt", interruption)
    broken.search(until=260)
    assert course(broken) == course(whole)


def test_a_timeout_after_an_interruption(make_study: Make, interruption: Interruption) -> None:
    whole, broken = make_study(), make_study()
    interruption.at(PLACES["predicted"], KeyboardInterrupt("here"))
    with pytest.raises(KeyboardInterrupt, match="here"):
        broken.search(timeout=60)
    broken.search(timeout=60, until=300)
    whole.search(300)
    assert course(broken) == course(whole)


def test_a_callback_that_raises(make_study: Make) -> None:
    whole, broken = make_study(), make_study()
    whole.search(300)

    def stop(study: SubnetStudy) -> None:
        raise KeyboardInterrupt("here")

    with pytest.raises(KeyboardInterrupt, match="here"):
        broken.search(300, callbacks=[stop])
    assert len(broken.trials) == 100
    broken.search(until=300)
    assert course(broken) == course(whole)
