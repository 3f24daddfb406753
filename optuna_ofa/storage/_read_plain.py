"""Reading many trials that are as `insert_trials` writes them, which nearly all of a search are.

One statement has a row for each of them; parameters are not read, because the subnet has all of
them. Every other trial is left to ``_read.py``.
"""

from __future__ import annotations

import functools
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
    names = tuple(problem.constraints)
    at, rows = _rows(connection, ids, len(problem.objectives), names)
    texts, values, excess = _columns(rows, len(problem.objectives), len(names))
    sound: Mask = np.asarray(np.isfinite(values).all(axis=1) & np.isfinite(excess).all(axis=1))
    if names:  # the list may say nothing else than them, as nearly all do
        feasible = [row[-1] == _FEASIBLE for row in rows]
        sound &= np.array(feasible, dtype=bool) | (excess > 0).any(axis=1)
    matrix, good = decode_texts(problem.space, list(itertools.compress(texts, sound)))
    sound[sound] = good
    plain = np.zeros(len(ids), dtype=bool)
    plain[at[sound]] = True
    found = Evaluated.of(matrix[good], values[sound], excess[sound], numbers=numbers[plain])
    return found, plain


def dense(ids: Ids) -> bool:
    """Return whether few other trials lie between the first and the last."""
    return len(ids) > 0 and bool(ids[-1] - ids[0] < 4 * len(ids))


def own_rows(table: sa.Table, ids: Ids) -> sa.ColumnElement[bool]:
    """Return the condition for the rows of trials, and of few others between them."""
    key = table.c.trial_id
    return key.between(int(ids[0]), int(ids[-1])) if dense(ids) else key.in_(ids.tolist())


def _rows(
    connection: sa.Connection, ids: Ids, n_values: int, names: Sequence[str]
) -> tuple[NDArray[np.intp], list[tuple[Any, ...]]]:
    """Return what `_statement` does, by trial, and for each row the index of its trial."""
    statement = _statement(n_values, tuple(names), dense(ids))
    ends = {"first": int(ids[0]), "last": int(ids[-1])} if dense(ids) else {"ids": ids.tolist()}
    rows = fetch_rows(connection, statement, **ends)
    found = np.array([row[0] for row in rows])  # SQLite may have fractions, which are no trial's
    at = np.searchsorted(ids, found)
    mine = ids[at] == found
    mine &= np.bincount(at[mine], minlength=len(ids))[at] == 1
    if mine.all():
        return at, rows
    return at[mine], list(itertools.compress(rows, mine))


@functools.cache
def _statement(n_values: int, names: tuple[str, ...], is_dense: bool) -> sa.Select[Any]:
    """Return the statement that selects predicted trials with values and constraints.

    A row is the id, the subnet, each value, each constraint, and the list of violated ones if there
    are constraints; a trial with more or fewer values or constraints has none. It is built once,
    which takes longer than reading a small generation.
    """
    user, kind = _user.alias(), _user.alias()
    trial = user.c.trial_id
    own = trial.between(sa.bindparam("first"), sa.bindparam("last"))
    if not is_dense:
        own = trial.in_(sa.bindparam("ids", expanding=True))
    predicted = (kind.c.key == "kind") & (kind.c.value_json == json.dumps(PREDICTED))
    columns, tables = [trial, user.c.value_json], user.join(kind, _of(kind, trial) & predicted)
    for j in range(n_values):
        value = _values.alias()
        this = (value.c.objective == j) & (value.c.value_type == _FINITE)
        columns, tables = [*columns, value.c.value], tables.join(value, _of(value, trial) & this)
    keys = (*(f"{PREFIX}{name}" for name in names), LIST_KEY) if names else ()
    for key in keys:
        of = _system.alias()
        tables = tables.join(of, _of(of, trial) & (of.c.key == key))
        columns.append(of.c.value_json)
    constraint = _system.c.key.startswith(PREFIX) | (_system.c.key == LIST_KEY)
    return (
        sa.select(*columns)
        .select_from(tables)
        .where(own, user.c.key == "subnet", user.c.value_json.is_not(None))
        .where(_n_rows(_values, trial) == n_values)
        .where(_n_rows(_system, trial, constraint) == len(keys))
        .order_by(trial)
    )


def _of(table: sa.FromClause, trial: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return table.c.trial_id == trial


def _n_rows(
    table: sa.Table, trial: sa.ColumnElement[Any], *where: sa.ColumnElement[bool]
) -> sa.ScalarSelect[int]:
    """Return the number of rows that a trial has in a table."""
    count = sa.select(sa.func.count()).select_from(table).where(_of(table, trial), *where)
    return count.scalar_subquery()


def _columns(
    rows: Sequence[tuple[Any, ...]], n_values: int, n_constraints: int
) -> tuple[Sequence[str], NDArray[np.float64], NDArray[np.float64]]:
    """Return the subnets, ``(n, n_values)`` values and ``(n, n_constraints)`` excess of rows."""
    columns = list(zip(*rows, strict=True)) or [()] * (2 + n_values + n_constraints)
    values = np.array(columns[2 : 2 + n_values], dtype=float)
    excess = columns[2 + n_values : 2 + n_values + n_constraints]
    numbers = _numbers(list(itertools.chain.from_iterable(excess)))
    return columns[1], values.T, numbers.reshape(n_constraints, len(rows)).T


def _numbers(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return JSON numbers.

    Raises:
        ValueError: If one is another JSON value.
    """
    joined = ",".join(texts)
    if not set(joined) <= _OF_NUMBERS:
        raise ValueError("`texts` must be numbers.")
    return np.array(json.loads(f"[{joined}]"), dtype=float)
