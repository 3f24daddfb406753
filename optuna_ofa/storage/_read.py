"""Reading finished trials straight from Optuna's tables, which ``_transactions.py`` describes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from optuna.distributions import json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.problem import (
    LIST_KEY,
    MEASURED,
    MEASURED_STD,
    PREDICTED,
    PREFIX,
    Evaluated,
    Problem,
    listed,
    split_constraints,
    std_row,
)
from optuna_ofa.storage._encoding import decode_params, decode_texts
from optuna_ofa.storage._store import with_own_excess
from optuna_ofa.storage._transactions import fetch_rows

Ids = NDArray[np.int64]
_COMPLETE, _OPEN = 0, 1
_MANY, _FEW = 20_000, 500
_FEASIBLE = json.dumps(listed({}))
_trials = models.TrialModel.__table__
_STATES = sa.select(
    _trials.c.trial_id,
    _trials.c.number,
    sa.case(
        (_trials.c.state == TrialState.COMPLETE, _COMPLETE),
        (_trials.c.state.in_([TrialState.RUNNING, TrialState.WAITING]), _OPEN),
        else_=2,
    ),
).order_by(_trials.c.trial_id)
_NEW = _STATES.where(
    _trials.c.study_id == sa.bindparam("study"), _trials.c.trial_id > sa.bindparam("after")
)


class Position(NamedTuple):
    """The position up to which the trials of a study have been read.

    Args:
        last_id: The largest ``trial_id`` that was seen.
        n_trials: How many trials were seen, which is the number of the next one.
        open: Ids of those that had not finished yet.
    """

    last_id: int = 0
    n_trials: int = 0
    open: tuple[int, ...] = ()


def read_new(
    connection: sa.Connection, study_id: int, problem: Problem, position: Position
) -> tuple[Evaluated, Position]:
    """Complete trials that were not read before, from any process.

    Args:
        connection: A connection; under the study's lock nothing can be missed.
        study_id: The study.
        problem: Its problem; trials of other subnets are skipped.
        position: What the last call returned.

    Returns:
        The new trials, and the position to continue from.
    """
    new = _states(connection, _NEW, study=study_id, after=position.last_id)
    old = [
        _states(connection, _STATES.where(_trials.c.trial_id.in_(position.open[i : i + _FEW])))
        for i in range(0, len(position.open), _FEW)
    ]
    parts = []
    for seen in (*old, new):  # separate, because ids that are close together are read faster
        complete = seen[seen[:, 2] == _COMPLETE]
        parts += [_read(connection, problem, c[:, 0], c[:, 1]) for c in _chunks(complete)]
    seen = np.concatenate([*old, new])
    reached = Position(
        last_id=int(new[-1, 0]) if len(new) else position.last_id,
        n_trials=position.n_trials + len(new),
        open=tuple(seen[seen[:, 2] == _OPEN, 0].tolist()),
    )
    return Evaluated.join([problem.nothing(), *parts]), reached


def last_trial_id(engine: sa.Engine, study_id: int) -> int:
    """Return the id of the newest trial of a study; 0 where it has none."""
    query = sa.select(sa.func.max(_trials.c.trial_id)).where(_trials.c.study_id == study_id)
    with engine.connect() as connection:
        return connection.execute(query).scalar_one() or 0


def _states(connection: sa.Connection, query: sa.Select[Any], **parameters: int) -> Ids:
    """Id, number and state of each trial, by id."""
    return np.array(fetch_rows(connection, query, **parameters), dtype=np.int64).reshape(-1, 3)


def _chunks(trials: Ids) -> Iterator[Ids]:
    """Parts that one query each reads."""
    size = _MANY if _dense(trials[:, 0]) else _FEW
    return (trials[i : i + size] for i in range(0, len(trials), size))


def _dense(ids: Ids) -> bool:
    """Return whether few other trials lie between the first and the last."""
    return len(ids) > 0 and bool(ids[-1] - ids[0] < 4 * len(ids))


def _read(connection: sa.Connection, problem: Problem, ids: Ids, numbers: Ids) -> Evaluated:
    """Return the trials with these ascending ids, if they are of the space."""
    kind, texts = _user_attributes(connection, ids)
    ours = np.array([text is not None for text in texts], dtype=bool)
    matrix = np.zeros((len(ids), len(problem.space.genes)), dtype=np.int16)
    good = np.zeros(len(ids), dtype=bool)
    matrix[ours], good[ours] = decode_texts(problem.space, texts[ours].tolist())
    if not ours.all():
        params = _params(connection, ids[~ours])
        matrix[~ours], good[~ours] = decode_params(problem.space, params)
    values = _values(connection, ids, len(problem.objectives))
    excess, others = _constraints(connection, ids, list(problem.constraints))
    std = _measured_std(connection, ids, kind == MEASURED, problem.objectives)
    read = Evaluated.of(matrix, values, excess, others=others, std=std, kind=kind, numbers=numbers)
    return with_own_excess(problem, read).select(good)


def _select(
    connection: sa.Connection, ids: Ids, table: sa.Table, *columns: Any, where: Any = None
) -> tuple[NDArray[np.intp], list[NDArray[Any]]]:
    """Columns of the rows that belong to trials, and for each row the index of its trial."""
    key = table.c.trial_id
    own = key.between(int(ids[0]), int(ids[-1])) if _dense(ids) else key.in_(ids.tolist())
    query = sa.select(key, *columns).where(own if where is None else own & where)
    rows = fetch_rows(connection, query)
    found = np.array([row[0] for row in rows], dtype=np.int64)
    at = np.searchsorted(ids, found)
    mine = ids[at] == found
    contents = [np.array([row[1 + i] for row in rows], dtype=object) for i in range(len(columns))]
    return at[mine], [content[mine] for content in contents]


def _user_attributes(
    connection: sa.Connection, ids: Ids
) -> tuple[NDArray[np.str_], NDArray[np.object_]]:
    """Return the kind of each trial, and the JSON of its subnet or None."""
    table = models.TrialUserAttributeModel.__table__
    measured = np.ones(len(ids), dtype=bool)
    texts = np.full(len(ids), None, dtype=object)
    at, (found,) = _select(connection, ids, table, table.c.value_json, where=table.c.key == "kind")
    measured[at[found == json.dumps(PREDICTED)]] = False
    at, (found,) = _select(
        connection, ids, table, table.c.value_json, where=table.c.key == "subnet"
    )
    texts[at] = found
    return np.where(measured, MEASURED, PREDICTED), texts


def _measured_std(
    connection: sa.Connection, ids: Ids, measured: NDArray[np.bool_], objectives: Sequence[str]
) -> NDArray[np.float64]:
    """Return ``(len(ids), n_objectives)``; NaN of predictions, and where they are not known."""
    std = np.full((len(ids), len(objectives)), np.nan)
    if measured.any():
        table, mine = models.TrialUserAttributeModel.__table__, np.flatnonzero(measured)
        own = table.c.key == MEASURED_STD
        at, (texts,) = _select(connection, ids[mine], table, table.c.value_json, where=own)
        for i, text in zip(mine[at].tolist(), texts.tolist(), strict=True):
            std[i] = std_row(json.loads(text), objectives)
    return std


def _params(connection: sa.Connection, ids: Ids) -> list[dict[str, Any]]:
    """Return the parameters of each trial as Optuna gives them."""
    table = models.TrialParamModel.__table__
    at, columns = _select(
        connection, ids, table, table.c.param_name, table.c.param_value, table.c.distribution_json
    )
    distributions = {text: json_to_distribution(text) for text in set(columns[2])}
    params: list[dict[str, Any]] = [{} for _ in ids]
    for i, name, value, text in zip(at.tolist(), *columns, strict=True):
        params[i][name] = distributions[text].to_external_repr(value)
    return params


def _values(connection: sa.Connection, ids: Ids, n: int) -> NDArray[np.float64]:
    """``(len(ids), n)`` objective values."""
    table = models.TrialValueModel.__table__
    sign = sa.case((table.c.value_type == table.c.value_type.type.enum_class.INF_NEG, -1), else_=1)
    at, (objective, value, signs) = _select(
        connection, ids, table, table.c.objective, table.c.value, sign
    )
    found = value.astype(float)  # None becomes NaN
    values = np.full((len(ids), n), np.nan)
    values[at, objective.astype(np.intp)] = np.where(
        np.isnan(found), signs.astype(float) * np.inf, found
    )
    return values


def _constraints(
    connection: sa.Connection, ids: Ids, names: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what `split_constraints` does, ``(len(ids), n_constraints)`` and ``(len(ids),)``."""
    table = models.TrialSystemAttributeModel.__table__
    own = table.c.key.startswith(PREFIX) | (table.c.key == LIST_KEY)
    at, (keys, texts) = _select(connection, ids, table, table.c.key, table.c.value_json, where=own)
    excess, others = np.full((len(ids), len(names)), np.nan), np.full(len(ids), np.nan)
    rest = np.ones(len(keys), dtype=bool)
    for j, name in enumerate(names):
        rows = np.asarray(keys == f"{PREFIX}{name}", dtype=bool)
        found = np.array([_number(text) for text in texts[rows].tolist()], dtype=float)
        excess[at[rows], j] = np.nan_to_num(found, nan=np.inf, posinf=np.inf, neginf=-np.inf)
        rest &= ~rows
    # a list that only repeats the named constraints, as nearly all do, need not be read
    violated = np.asarray((excess > 0).any(axis=1))
    known = np.asarray(~np.isnan(excess).all(axis=1))
    repeats = violated[at] | (known[at] & np.asarray(texts == _FEASIBLE, dtype=bool))
    rest &= ~(repeats & np.asarray(keys == LIST_KEY, dtype=bool))
    attributes: dict[int, dict[str, Any]] = {}
    for i, key, text in zip(at[rest].tolist(), keys[rest], texts[rest], strict=True):
        attributes.setdefault(i, {})[key] = json.loads(text)
    for i, found_of in attributes.items():
        _, others[i] = split_constraints(found_of, ())
    return excess, others


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # set by hand to something else
        return float("nan")
