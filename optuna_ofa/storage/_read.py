"""Reading finished trials straight from Optuna's tables, which ``_transactions.py`` describes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
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
    flaw_of_attributes,
    shown,
    split_constraints,
    std_row,
)
from optuna_ofa.storage._encoding import decode_params, decode_texts
from optuna_ofa.storage._read_plain import dense, own_rows, read_plain
from optuna_ofa.storage._store import with_own_excess
from optuna_ofa.storage._tolerant import in_readable_parts, is_of_row
from optuna_ofa.storage._transactions import fetch_rows

Ids = NDArray[np.int64]
Flaws = dict[int, str]  # why a trial cannot be read, by its number or its index
_COMPLETE, _OPEN, _OTHER, _UNKNOWN = range(4)
_MANY, _FEW = 20_000, 500
_studies, _trials = models.StudyModel.__table__, models.TrialModel.__table__
_STATES = sa.select(
    _trials.c.trial_id,
    _trials.c.number,
    sa.case(
        (_trials.c.state == TrialState.COMPLETE, _COMPLETE),
        (_trials.c.state.in_([TrialState.RUNNING, TrialState.WAITING]), _OPEN),
        (_trials.c.state.in_([TrialState.PRUNED, TrialState.FAIL]), _OTHER),
        else_=_UNKNOWN,
    ),
).order_by(_trials.c.trial_id)
_NEW = _STATES.where(
    _trials.c.study_id == sa.bindparam("study"), _trials.c.trial_id > sa.bindparam("after")
)

_STUDY = sa.select(_studies.c.study_id).where(_studies.c.study_id == sa.bindparam("study"))


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
) -> tuple[Evaluated, Position, Flaws]:
    """Complete trials that were not read before, from any process.

    Args:
        connection: A connection; under the study's lock nothing can be missed.
        study_id: The study.
        problem: Its problem; trials of other subnets are skipped.
        position: What the last call returned.

    Raises:
        KeyError: If there is no such study any more.

    Returns:
        The new trials, the position to continue from, and by number the trials that are passed
        over because they cannot be read.
    """
    new = _states(connection, _NEW, study=study_id, after=position.last_id)
    if len(new) == 0 and not fetch_rows(connection, _STUDY, study=study_id):
        raise KeyError("The study was deleted.")
    old = [
        _states(connection, _STATES.where(_trials.c.trial_id.in_(position.open[i : i + _FEW])))
        for i in range(0, len(position.open), _FEW)
    ]
    parts, flaws = [], Flaws()
    for seen in (*old, new):  # separate, because ids that are close together are read faster
        for chunk in _chunks(seen[seen[:, 2] == _COMPLETE]):
            for n, result in in_readable_parts(partial(_read, connection, problem), chunk):
                if isinstance(result, Exception):
                    flaws[int(chunk[0, 1])] = str(result)
                else:
                    parts.append(result[0])
                    flaws |= result[1]
                chunk = chunk[n:]
        for number in seen[seen[:, 2] == _UNKNOWN, 1].tolist():
            flaws[number] = "its state is none of Optuna's"
    seen = np.concatenate([*old, new])
    reached = Position(
        last_id=int(new[-1, 0]) if len(new) else position.last_id,
        n_trials=position.n_trials + len(new),
        open=tuple(seen[seen[:, 2] == _OPEN, 0].tolist()),
    )
    return Evaluated.join([problem.nothing(), *parts]), reached, flaws


def last_trial_id(engine: sa.Engine, study_id: int) -> int:
    """Return the id of the newest trial of a study; 0 where it has none."""
    query = sa.select(sa.func.max(_trials.c.trial_id)).where(_trials.c.study_id == study_id)
    with engine.connect() as connection:
        return connection.execute(query).scalar_one() or 0


def _states(connection: sa.Connection, query: sa.Select[Any], **parameters: int) -> Ids:
    """Id, number and state of each trial, by id; a trial without a number is left out."""
    rows = fetch_rows(connection, query, **parameters)
    try:
        return np.array(rows, dtype=np.int64).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError):
        rows = [row for row in rows if all(isinstance(x, int) for x in row)]
        return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _chunks(trials: Ids) -> Iterator[Ids]:
    """Parts that one query each reads."""
    size = _MANY if dense(trials[:, 0]) else _FEW
    return (trials[i : i + size] for i in range(0, len(trials), size))


def _read(connection: sa.Connection, problem: Problem, trials: Ids) -> tuple[Evaluated, Flaws]:
    """Return what can be read of trials, and the flaws of others; see `_read_any`."""
    try:
        found, plain = read_plain(connection, problem, trials[:, 0], trials[:, 1])
    except Exception as error:
        if not is_of_row(error):
            raise
        found, plain = problem.nothing(), np.zeros(len(trials), dtype=bool)
    if plain.all():
        return found, Flaws()
    others, flaws = _read_any(connection, problem, trials[~plain])
    joined = Evaluated.join([found, others])
    return joined.select(np.argsort(joined.numbers, kind="stable")), flaws


def _read_any(connection: sa.Connection, problem: Problem, trials: Ids) -> tuple[Evaluated, Flaws]:
    """Return what can be read of trials of any kind, and the flaws of others.

    Args:
        connection: A connection.
        problem: The problem of the study.
        trials: ``(n, 3)`` id, number and state of each; ids ascend.

    Raises:
        Exception: If the rows of one of them cannot be decoded at all.
    """
    ids, numbers = trials[:, 0], trials[:, 1]
    found, flaws = _decoded(connection, problem, ids, numbers)
    return found, {int(numbers[i]): flaw for i, flaw in flaws.items()}


def _decoded(
    connection: sa.Connection, problem: Problem, ids: Ids, numbers: Ids
) -> tuple[Evaluated, Flaws]:
    """Return the trials of the space that have no flaw, and the flaws of others by their index."""
    flaws = Flaws()
    kind, texts = _user_attributes(connection, ids, flaws)
    ours = np.array([text is not None for text in texts], dtype=bool)
    matrix = np.zeros((len(ids), len(problem.space.genes)), dtype=np.int16)
    good = np.zeros(len(ids), dtype=bool)
    matrix[ours], good[ours] = decode_texts(problem.space, texts[ours].tolist())
    for i in np.flatnonzero(ours & ~good).tolist():
        flaws[i] = f"its subnet is not of the space: {shown(texts[i])}"
    if not ours.all():
        params = _params(connection, ids[~ours])
        matrix[~ours], good[~ours] = decode_params(problem.space, params)
    values = _values(connection, ids, len(problem.objectives), flaws)
    excess, others = _constraints(connection, ids, list(problem.constraints), flaws)
    std = _measured_std(connection, ids, kind == MEASURED, problem.objectives)
    read = Evaluated.of(matrix, values, excess, others=others, std=std, kind=kind, numbers=numbers)
    good[list(flaws)] = False
    return with_own_excess(problem, read).select(good), flaws


def _select(
    connection: sa.Connection, ids: Ids, table: sa.Table, *columns: Any, where: Any = None
) -> tuple[NDArray[np.intp], list[NDArray[Any]]]:
    """Columns of the rows that belong to trials, and for each row the index of its trial."""
    key = table.c.trial_id
    own = own_rows(table, ids)
    query = sa.select(key, *columns).where(own if where is None else own & where)
    rows = fetch_rows(connection, query)
    found = np.array([row[0] for row in rows])  # SQLite may have fractions, which are no trial's
    at = np.searchsorted(ids, found)
    mine = ids[at] == found
    contents = [np.array([row[1 + i] for row in rows], dtype=object) for i in range(len(columns))]
    return at[mine], [content[mine] for content in contents]


def _user_attributes(
    connection: sa.Connection, ids: Ids, flaws: Flaws
) -> tuple[NDArray[np.str_], NDArray[np.object_]]:
    """Return the kind of each trial, and the JSON of its subnet or None; note flaws."""
    table = models.TrialUserAttributeModel.__table__
    measured = np.ones(len(ids), dtype=bool)
    texts = np.full(len(ids), None, dtype=object)
    at, (found,) = _select(connection, ids, table, table.c.value_json, where=table.c.key == "kind")
    measured[at[found == json.dumps(PREDICTED)]] = False
    for text in set(found.tolist()):
        if not isinstance(json.loads(text), str):  # any text but `predicted` is measured
            wrong = at[np.asarray(found == text, dtype=bool)].tolist()
            flaws |= dict.fromkeys(wrong, f"its kind must be text, but is {shown(text)}")
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


def _values(connection: sa.Connection, ids: Ids, n: int, flaws: Flaws) -> NDArray[np.float64]:
    """Return ``(len(ids), n)`` objective values; note trials that have others."""
    table = models.TrialValueModel.__table__
    types = models.TrialValueModel.TrialValueType
    infinite = sa.case(
        (table.c.value_type == types.FINITE, 0),
        (table.c.value_type == types.INF_POS, 1),
        (table.c.value_type == types.INF_NEG, -1),
    )
    at, columns = _select(connection, ids, table, table.c.objective, table.c.value, infinite)
    found, signs = (column.astype(float) for column in columns[1:])  # None becomes NaN
    objective = columns[0].astype(np.intp)
    sound = np.where(signs == 0, ~np.isnan(found), np.isnan(found) & ~np.isnan(signs))
    sound &= (objective >= 0) & (objective < n)
    values = np.full((len(ids), n), np.nan)
    with np.errstate(invalid="ignore"):  # no sign times infinity
        given = np.where(signs == 0, found, signs * np.inf)
    values[at[sound], objective[sound]] = given[sound]
    complete = ~np.isnan(values).any(axis=1) & (np.bincount(at, minlength=len(ids)) == n)
    wrong = np.flatnonzero(~complete).tolist()
    flaws |= dict.fromkeys(wrong, f"its values must be {n} numbers, infinite ones marked as such")
    return values


def _constraints(
    connection: sa.Connection, ids: Ids, names: list[str], flaws: Flaws
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what `split_constraints` does, ``(len(ids), n_constraints)`` and ``(len(ids),)``.

    Trials with constraints that are not numbers are noted.
    """
    table = models.TrialSystemAttributeModel.__table__
    own = table.c.key.startswith(PREFIX) | (table.c.key == LIST_KEY)
    at, (keys, texts) = _select(connection, ids, table, table.c.key, table.c.value_json, where=own)
    attributes: dict[int, dict[str, Any]] = {}
    for i, key, text in zip(at.tolist(), keys, texts, strict=True):
        attributes.setdefault(i, {})[key] = json.loads(text)
    excess, others = np.full((len(ids), len(names)), np.nan), np.full(len(ids), np.nan)
    for i, found in attributes.items():
        flaw = flaw_of_attributes(found)
        if flaw is None:
            excess[i], others[i] = split_constraints(found, names)
        else:
            flaws[i] = flaw
    return excess, others
