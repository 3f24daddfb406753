"""Trials that are read in bulk: those of a search, and none that need a closer look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from optuna.storages._rdb import models

from optuna_ofa.storage import open_store, relational
from optuna_ofa.storage._public_store import PublicStore
from optuna_ofa.storage._read_plain import read_plain
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]
BOUNDS = {"latency_ms": 30.0, "n_params": 5e6}
N_TRIALS = 12
_user = models.TrialUserAttributeModel.__table__
_system = models.TrialSystemAttributeModel.__table__
_values = models.TrialValueModel.__table__
_types = models.TrialValueModel.TrialValueType


def searched(make_study: Make, url: str, name: str, **arguments: Any) -> SubnetStudy:
    """A study with trials of a search."""
    study = make_study(storage=url, study_name=name, **arguments)
    study.search(N_TRIALS)
    return study


def ids_of(study: SubnetStudy) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Ids of all trials."""
    return np.array([trial._trial_id for trial in study.get_trials(deepcopy=False)])


def plain(study: SubnetStudy) -> list[bool]:
    """Which trials are read in bulk."""
    tables, ids = relational(study._storage), ids_of(study)
    assert tables is not None
    with tables.engine.connect() as connection:
        return read_plain(connection, study.problem, ids, np.arange(len(ids)))[1].tolist()


def change(study: SubnetStudy, statement: sa.sql.dml.UpdateBase) -> None:
    """Change the tables."""
    tables = relational(study._storage)
    assert tables is not None
    with tables.engine.begin() as connection:
        connection.execute(statement)


@pytest.mark.parametrize("constraints", [{}, BOUNDS, {"latency_ms": 30.0}])
def test_all_trials_of_a_search(
    make_study: Make, url: str, names: Callable[[], str], constraints: dict[str, float]
) -> None:
    study = searched(make_study, url, names(), constraints=constraints)
    assert plain(study) == [True] * N_TRIALS
    of_study = study._storage, study.study_name, study.problem, "all"
    ours, theirs = open_store(*of_study).read(), PublicStore(*of_study).read()
    assert ours.matrix.tolist() == theirs.matrix.tolist()
    assert ours.values.tolist() == theirs.values.tolist()
    assert ours.numbers.tolist() == theirs.numbers.tolist() == list(range(N_TRIALS))
    np.testing.assert_array_equal(ours.excess, theirs.excess)
    np.testing.assert_array_equal(ours.others, theirs.others)
    assert not ours.measured.any()


def test_trials_between_those_of_another_study(
    make_study: Make, url: str, names: Callable[[], str]
) -> None:
    study = searched(make_study, url, names(), constraints=BOUNDS)
    searched(make_study, url, names())
    study.search(N_TRIALS)
    assert plain(study) == [True] * 2 * N_TRIALS


def _set(table: sa.Table, key: Any, column: str, value: Any) -> Callable[[int], sa.Update]:
    chosen = table.c.objective if table is _values else table.c.key
    return lambda i: (
        sa.update(table).where(table.c.trial_id == i, chosen == key).values({column: value})
    )


def _add(key: str, text: str) -> Callable[[int], sa.Insert]:
    return lambda i: sa.insert(_system).values(trial_id=i, key=key, value_json=text)


def _remove(table: sa.Table, key: Any) -> Callable[[int], sa.Delete]:
    chosen = table.c.objective if table is _values else table.c.key
    return lambda i: sa.delete(table).where(table.c.trial_id == i, chosen == key)


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(_set(_user, "kind", "value_json", '"measured"'), id="measured"),
        pytest.param(_remove(_user, "kind"), id="no-kind"),
        pytest.param(_set(_user, "subnet", "value_json", "[1, 2]"), id="no-subnet-but-a-list"),
        pytest.param(_remove(_user, "subnet"), id="no-subnet"),
        pytest.param(_set(_values, 1, "value", None), id="no-value"),
        pytest.param(_remove(_values, 1), id="a-value-missing"),
        pytest.param(_set(_values, 1, "objective", 2), id="another-objective"),
        pytest.param(_set(_values, 1, "trial_id", 2.5), id="of-no-trial"),
        pytest.param(_set(_values, 1, "value_type", _types.INF_POS), id="infinite"),
        pytest.param(_add("constraints:other", "-1.0"), id="another-constraint"),
        pytest.param(_set(_system, "constraints:n_params", "value_json", "1e999"), id="overflow"),
        pytest.param(_remove(_system, "constraints:n_params"), id="a-constraint-missing"),
        pytest.param(_set(_system, "constraints", "value_json", "[3.0, 1.0]"), id="list"),
        pytest.param(_remove(_system, "constraints"), id="no-list"),
    ],
)
def test_what_needs_a_closer_look(
    make_study: Make, sqlite: str, statement: Callable[[int], sa.sql.dml.UpdateBase]
) -> None:
    loose = {"latency_ms": 1e4, "n_params": 1e9}  # satisfied, so that the list counts
    study = searched(make_study, sqlite, "a", constraints=loose)
    change(study, statement(int(ids_of(study)[3])))
    assert plain(study) == [i != 3 for i in range(N_TRIALS)]


@pytest.mark.parametrize("text", ["true", "[1.0]", '"1.0"', "", "NaN", "1.0,2.0"])
def test_constraints_that_are_no_numbers(make_study: Make, sqlite: str, text: str) -> None:
    study = searched(make_study, sqlite, "a", constraints=BOUNDS)
    wrong = _set(_system, "constraints:n_params", "value_json", text)
    change(study, wrong(int(ids_of(study)[3])))
    with pytest.raises(ValueError, match=r"must be numbers|Expecting value|cannot reshape"):
        plain(study)
