"""Reading trials from Optuna's tables: the same as through Optuna."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState, create_trial

from optuna_ofa.fronts import Results
from optuna_ofa.storage import PublicStore, TableStore, _read
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]
BOUNDS = {"latency_ms": 30.0, "n_params": 5e6}


def add(study: SubnetStudy, seed: int, **attributes: Any) -> None:
    """Add a trial of a user's own."""
    params = study.space.to_params(study.space.sample(1, seed=seed))[0]
    distributions = dict(study.space.distributions)
    given = {"params": params, "distributions": distributions, "values": [70.0, 20.0]}
    study.add_trial(create_trial(**{**given, **attributes}))


@pytest.fixture
def mixed(make_study: Make, url: str, names: Callable[[], str]) -> SubnetStudy:
    """All kinds of trials, and those of another study between them."""
    study = make_study(storage=url, study_name=names(), constraints=BOUNDS)
    other = make_study(storage=url, study_name=names())
    running = [study.ask() for _ in range(3)]
    study.search(10)
    other.search(50)
    study.enqueue_trial(study.space.to_params(study.space.sample(1, seed=9))[0])
    add(study, 0)
    add(study, 1, values=[math.inf, -math.inf])
    add(study, 2, user_attrs={"kind": "simulated"})
    add(study, 3, system_attrs={"constraints:n_params": -2.5, "constraints:other": 1.0})
    add(study, 4, system_attrs={"constraints:latency_ms": 3})
    add(study, 5, params={}, distributions={})
    add(study, 6, state=TrialState.FAIL, values=None)
    subnet = study.space.from_matrix(study.space.sample(1, seed=7))[0].to_dict()
    add(study, 7, user_attrs={"subnet": {key: subnet[key] for key in reversed(subnet)}})
    add(study, 8, user_attrs={"subnet": {**subnet, "resolution": 65536 + 224}})
    add(study, 9, user_attrs={"subnet": [1, 2]})
    add(study, 10, user_attrs={"subnet": "a text"})
    for trial in running[:2]:
        study.space.suggest(trial)
    study.tell(running[0], [71.0, 21.0])
    study.tell(running[1], state=TrialState.FAIL)
    return study


def both(study: SubnetStudy) -> tuple[Results, Results]:
    """What the tables and what Optuna says, in the order of the trials."""
    assert study._tables is not None
    stores = (
        TableStore(study._study_id, study._tables, study.problem, "all"),
        PublicStore(study, study.problem, "all"),
    )
    first, second = (store.read() for store in stores)
    return first.select(np.argsort(first.numbers)), second.select(np.argsort(second.numbers))


def test_what_is_read_is_what_optuna_reads(
    mixed: SubnetStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (1, 3, 20_000):  # of the parts in which tables are read
        monkeypatch.setattr(_read, "_MANY", size)
        monkeypatch.setattr(_read, "_FEW", min(size, 500))
        tables, public = both(mixed)
        assert tables.numbers.tolist() == public.numbers.tolist()
        assert tables.matrix.tolist() == public.matrix.tolist()
        assert tables.measured.tolist() == public.measured.tolist()
        for ours, theirs in zip(tables[1:3], public[1:3], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-15)
    assert len(tables.numbers) == 1 + 10 + 6
    assert np.count_nonzero(~tables.measured) == 10  # another kind than these is no prediction


def test_each_trial_is_read_once(mixed: SubnetStudy) -> None:
    assert mixed._tables is not None
    store = TableStore(mixed._study_id, mixed._tables, mixed.problem, "all")
    first = store.read()
    assert len(store.read().numbers) == 0
    running = [t.number for t in mixed.trials if t.state == TrialState.RUNNING]
    add(mixed, 20)
    mixed.search(1)  # runs the one that waits
    news = store.read()
    assert len(news.numbers) == 2
    mixed.tell(running[0], state=TrialState.FAIL)
    assert len(store.read().numbers) == 0
    assert not set(first.numbers) & set(news.numbers)


def test_a_trial_that_ran_is_read_when_it_has_finished(
    make_study: Make, url: str, names: Callable[[], str]
) -> None:
    study = make_study(storage=url, study_name=names())
    trial = study.ask()
    study.space.suggest(trial)
    study.search(20)
    assert 0 not in study.results().numbers
    study.tell(trial, [70.0, 20.0])
    assert study.results(kind="measured").numbers.tolist() == [0]
