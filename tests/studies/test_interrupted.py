"""An exception at any moment: the same object continues as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.problem import Problem
from optuna_ofa.samplers import Constant, Evolution, EvolutionarySampler
from optuna_ofa.samplers.evolution._estimates import RidgeEstimator
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


ASKING = {
    "choosing": Place((Archive,), "all", 1, after=True),
    "before-starting": Place(STORES, "start", 1, after=False),
    "started": Place(STORES, "start", 1, after=True),
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

    def stop(study: SubnetStudy, trial: FrozenTrial) -> None:
        raise KeyboardInterrupt("here")

    with pytest.raises(KeyboardInterrupt, match="here"):
        broken.search(300, callbacks=[stop])
    assert len(broken.trials) == 100
    broken.search(until=300)
    assert course(broken) == course(whole)


@pytest.mark.parametrize("learn", [False, True], ids=["predicting", "learning"])
def test_subnets_to_measure_are_those_of_an_uninterrupted_study(
    make_study: Make, sqlite: str, learn: bool, interruption: Interruption
) -> None:
    whole, broken = (
        make_study(sampler=None, seed=1, learn=learn, **of) for of in ({}, {"storage": sqlite})
    )
    for study in (whole, broken):
        study.search(60)
    for _ in range(3):
        expected = whole.ask_batch(6)
        for place in ASKING.values():
            interruption.at(place, KeyboardInterrupt("here"))
            with pytest.raises(KeyboardInterrupt, match="here"):
                broken.ask_batch(6)
        asked = broken.ask_batch(6)
        for a, b in zip(asked, expected, strict=True):
            assert (a.number, a.subnet, a.predicted) == (b.number, b.subnet, b.predicted)
            assert a.trial.study is broken
        rows = whole.problem.evaluate(whole.space.to_matrix([a.subnet for a in asked])).values
        measured = (rows * [0.98, 1.1]).tolist()
        interruption.at(Place(STORES, "finish", 1, after=False), KeyboardInterrupt("here"))
        with pytest.raises(KeyboardInterrupt, match="here"):
            broken.tell_batch(asked, measured)
        broken.tell_batch(asked, measured)
        whole.tell_batch(expected, measured)
    for study in (whole, broken):
        study.search(until=120)
    assert course(broken) == course(whole)


def test_two_batches_in_a_row_are_different(make_study: Make, sqlite: str) -> None:
    study = make_study(storage=sqlite)
    batches = [study.ask_batch(3) for _ in range(2)]
    assert len({one.number for batch in batches for one in batch}) == 6


@pytest.mark.parametrize("place", ["predicted", "before-writing", "written", "learnt"])
@pytest.mark.parametrize("kind", ["memory", "sqlite", "journal"])
def test_a_search_that_keeps_the_front(
    make_study: Make, tmp_path: Path, kind: str, place: str, interruption: Interruption
) -> None:
    journal = JournalStorage(JournalFileBackend(str(tmp_path / "log")))
    storage = {"memory": None, "sqlite": f"sqlite:///{tmp_path}/a.db", "journal": journal}[kind]
    whole, broken = make_study(keep="front"), make_study(keep="front", storage=storage)
    whole.search(until=260)
    interrupt(broken, place, interruption)
    broken.search(until=260)
    assert course(broken) == course(whole)
    assert [g.n_evaluated for g in broken.generations()] == [100, 100, 60]


@pytest.mark.parametrize("name", ["create_new_trial", "set_study_system_attr"])
@pytest.mark.parametrize("call", [1, 2, 3, 9])
def test_a_generation_that_was_written_in_part(
    make_study: Make, name: str, call: int, interruption: Interruption
) -> None:
    storage = InMemoryStorage()
    whole, broken = make_study(keep="front"), make_study(keep="front", storage=storage)
    whole.search(until=260)
    broken.search(until=100)
    interruption.at(Place((InMemoryStorage,), name, call, after=False), KeyboardInterrupt("here"))
    with contextlib.suppress(KeyboardInterrupt):
        broken.search(until=260)
    broken.search(until=260)
    assert course(broken) == course(whole)
    assert [g.n_written for g in broken.generations()] == [g.n_written for g in whole.generations()]


def test_single_trials_go_on_with_the_same_subnets(
    make_study: Make, interruption: Interruption
) -> None:
    whole, broken = (small_study(make_study) for _ in range(2))
    whole.optimize(whole.problem, n_trials=40)
    for place in (
        Place((RidgeEstimator,), "__call__", 1, after=False),
        Place((Evolution,), "ask", 3, after=False),
        Place((Evolution,), "tell", 4, after=True),
    ):
        interruption.at(place, KeyboardInterrupt("here"))
        with pytest.raises(KeyboardInterrupt, match="here"):
            broken.optimize(broken.problem, n_trials=40)
    done = [t.state for t in broken.trials].count(TrialState.COMPLETE)
    broken.optimize(broken.problem, n_trials=40 - done)
    params = [t.params for t in broken.trials if t.state == TrialState.COMPLETE]
    assert params == [t.params for t in whole.trials]


def small_study(make_study: Make) -> SubnetStudy:
    """A study of small generations."""
    study = make_study()
    study.sampler = EvolutionarySampler(
        study.space, population_size=10, generation_size=Constant(10), n_candidates=50, seed=0
    )
    return study
