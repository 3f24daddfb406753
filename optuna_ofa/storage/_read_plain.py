"""Reading many trials that are as `insert_trials` writes them, which nearly all of a search are.

A few columns a trial, one row each, are put into arrays at once; parameters are not read, because
the subnet has all of them. Every other trial is left to ``_read.py``.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from optuna.storages._rdb import models

from optuna_ofa.problem import LIST_KEY, PREDICTED, PREFIX, Evaluated, Problem, listed
from optuna_ofa.storage._encoding import decode_texts
from optuna_ofa.storage._transactions import fetch_rows

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
_FEASIBLE = json.dumps(listed({}))
_OF_NUMBERS = frozenset("0123456789+-.eE,")
_FINITE = models.TrialValueModel.TrialValueType.FINITE
_user = models.TrialUserAttributeModel.__table__
_system = models.TrialSystemAttributeModel.__table__
_values = models.TrialValueModel.__table__


def read_plain(
    connection: sa.Connection, problem: Problem, ids: Ids, numbers: Ids
) -> tuple[Evaluated, Mask]:
    """Return the plain ones of complete trials, and which of the trials these are.

    A trial is plain if it is predicted, its subnet is in the space, its values and constraints are
    finite numbers, and it has no other constraints.

    Args:
        connection: A connection.
        problem: The problem of the study.
        ids: ``(n,)`` ascending ids of trials.
        numbers: ``(n,)`` their numbers.

    Raises:
        TypeError, ValueError: If a row has something that Optuna would not write.
    """
    values, plain = _read_values(connection, ids, len(problem.objectives))
    excess, repeated = _read_excess(connection, ids, list(problem.constraints))
    texts = np.full(len(ids), None, dtype=object)
    at, rows = _rows(connection, ids, _user, _user.c.value_json, where=_user.c.key == "subnet")
    texts[at] = [row[1] for row in rows]
    plain &= repeated & _is_predicted(connection, ids) & np.asarray(texts != None)  # noqa: E711
    matrix, good = decode_texts(problem.space, texts[plain].tolist())
    plain[plain] = good
    found = Evaluated.of(matrix[good], values[plain], excess[plain], numbers=numbers[plain])
    return found, plain


def dense(ids: Ids) -> bool:
    """Return whether few other trials lie between the first and the last."""
    return len(ids) > 0 and bool(ids[-1] - ids[0] < 4 * len(ids))


def own_rows(table: sa.Table, ids: Ids) -> sa.ColumnElement[bool]:
    """Return the condition for the rows of trials, and of few others between them."""
    key = table.c.trial_id
    return key.between(int(ids[0]), int(ids[-1])) if dense(ids) else key.in_(ids.tolist())


def _rows(
    connection: sa.Connection,
    ids: Ids,
    table: sa.Table,
    *columns: Any,
    where: Any = None,
    one_each: bool = False,
) -> tuple[NDArray[np.intp], list[tuple[Any, ...]]]:
    """Return rows of trials, which begin with the id, and for each row the index of its trial."""
    own = own_rows(table, ids)
    query = sa.select(table.c.trial_id, *columns).where(own if where is None else own & where)
    rows = fetch_rows(connection, query.group_by(table.c.trial_id) if one_each else query)
    found = np.array([row[0] for row in rows])  # SQLite may have fractions, which are no trial's
    at = np.searchsorted(ids, found)
    mine = ids[at] == found
    if mine.all():
        return at, rows
    return at[mine], [rows[i] for i in np.flatnonzero(mine).tolist()]


def _of(key: sa.Column[Any], which: object, value: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the value of the row of a trial that has this key; NULL where there is none."""
    return sa.func.max(sa.case((key == which, value)))


def _read_values(connection: sa.Connection, ids: Ids, n: int) -> tuple[NDArray[np.float64], Mask]:
    """Return ``(len(ids), n)`` values, and which trials have these alone, all of them finite."""
    columns = [_of(_values.c.objective, j, _values.c.value) for j in range(n)]
    n_finite = sa.func.count(sa.case((_values.c.value_type == _FINITE, 1)))
    at, rows = _rows(connection, ids, _values, *columns, n_finite, sa.func.count(), one_each=True)
    values = np.full((len(ids), n + 2), np.nan)
    values[at] = np.array(rows, dtype=float).reshape(len(rows), n + 3)[:, 1:]
    plain = np.isfinite(values).all(axis=1) & (values[:, n:] == n).all(axis=1)
    return values[:, :n], np.asarray(plain)


def _read_excess(
    connection: sa.Connection, ids: Ids, names: Sequence[str]
) -> tuple[NDArray[np.float64], Mask]:
    """Return ``(len(ids), n_constraints)``, and which trials have these constraints alone.

    The list of a trial may say nothing else than them, as nearly all do.
    """
    key, text = _system.c.key, _system.c.value_json
    columns = [_of(key, name, text) for name in (*(f"{PREFIX}{name}" for name in names), LIST_KEY)]
    at, rows = _rows(
        connection,
        ids,
        _system,
        sa.func.count(),
        *columns,
        where=key.startswith(PREFIX) | (key == LIST_KEY),
        one_each=True,
    )
    excess, plain = np.full((len(ids), len(names)), np.nan), np.zeros(len(ids), dtype=bool)
    if not names:
        plain[np.setdiff1d(np.arange(len(ids)), at)] = True
        return excess, plain
    whole = [row[1] == len(columns) and None not in row for row in rows]
    at, rows = at[whole], list(itertools.compress(rows, whole))
    excess[at] = _numbers([text for row in rows for text in row[2:-1]]).reshape(-1, len(names))
    plain[at] = [row[-1] == _FEASIBLE for row in rows]
    return excess, np.asarray((plain | (excess > 0).any(axis=1)) & np.isfinite(excess).all(axis=1))


def _numbers(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return JSON numbers.

    Raises:
        ValueError: If one is another JSON value.
    """
    joined = ",".join(texts)
    if not set(joined) <= _OF_NUMBERS:
        raise ValueError("`texts` must be numbers.")
    return np.array(json.loads(f"[{joined}]"), dtype=float)


def _is_predicted(connection: sa.Connection, ids: Ids) -> Mask:
    """Return which trials are predicted; if all are, as in most parts of a search, by a count."""
    where = (_user.c.key == "kind") & (_user.c.value_json == json.dumps(PREDICTED))
    if ids[-1] - ids[0] + 1 == len(ids):
        count = sa.select(sa.func.count()).where(own_rows(_user, ids), where)
        if connection.execute(count).scalar_one() == len(ids):
            return np.ones(len(ids), dtype=bool)
    predicted = np.zeros(len(ids), dtype=bool)
    predicted[_rows(connection, ids, _user, where=where)[0]] = True
    return predicted
