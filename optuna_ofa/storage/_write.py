"""Writing many rows into Optuna's tables, which ``_transactions.py`` describes.

Optuna writes a trial in about a hundred statements; here a whole generation takes a few.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.problem import Evaluated
from optuna_ofa.storage._rows import ATTRIBUTE_COLUMNS, PARAM_COLUMNS, VALUE_COLUMNS, TrialRows
from optuna_ofa.storage._transactions import fetch_rows

# Drivers that take tuples for a statement with these placeholders. PyMySQL combines many into one.
_MARKS = {"pysqlite": "?", "pymysql": "%s"}


class Inserter:
    """Inserts rows within the transaction of a connection.

    Args:
        connection: The connection. psycopg gets COPY, the drivers of SQLite and PyMySQL get tuples,
            and every other driver gets what SQLAlchemy generates.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._driver = connection.dialect.driver
        self._raw = self._driver == "psycopg" or self._driver in _MARKS

    def stored(self, column: sa.Column[Any], value: Any) -> Any:
        """Return a value as rows for this driver need it: an enum's name, a date's text."""
        if not self._raw or value is None:
            return value
        dialect = self._connection.dialect
        process = column.type.dialect_impl(dialect).bind_processor(dialect)
        return value if process is None else process(value)

    def insert(self, table: sa.Table, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
        """Insert rows.

        Args:
            table: One of Optuna's tables.
            columns: Names of the columns that the rows have.
            rows: Numbers and texts, and what `stored` returns for columns of other types.
        """
        if not rows:
            return
        quote = self._connection.dialect.identifier_preparer.quote
        target = f"{quote(table.name)} ({', '.join(map(quote, columns))})"
        if self._driver == "psycopg":
            self._copy(f"COPY {target} FROM STDIN", rows)
        elif self._raw:
            marks = ", ".join(_MARKS[self._driver] for _ in columns)
            statement = f"INSERT INTO {target} VALUES ({marks})"  # noqa: S608, names of tables
            self._connection.exec_driver_sql(statement, rows)
        else:
            dicts = [dict(zip(columns, row, strict=True)) for row in rows]
            self._connection.execute(sa.insert(table), dicts)

    def _copy(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        driver: Any = self._connection.connection
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)


_trials = models.TrialModel.__table__
_NEW_IDS = (
    sa.select(_trials.c.trial_id)
    .where(_trials.c.study_id == sa.bindparam("study"), _trials.c.trial_id > sa.bindparam("after"))
    .order_by(_trials.c.number)
)


def insert_trials(
    connection: sa.Connection,
    study_id: int,
    rows: TrialRows,
    batch: Evaluated,
    whole: NDArray[np.bool_],
    times: tuple[datetime.datetime, datetime.datetime],
    *,
    first: int,
    after: int,
) -> list[int]:
    """Insert complete trials, in a transaction that holds the study's lock.

    Args:
        connection: The connection.
        study_id: The study.
        rows: Makes the rows.
        batch: The subnets with their predictions.
        whole: ``(n,)`` which of the trials have parameters.
        times: When they were started and finished, in local time.
        first: Number of the first trial.
        after: An upper bound of the ids of all existing trials of the study.

    Returns:
        The trials' ids.
    """
    if len(batch.matrix) == 0:
        return []
    inserter = Inserter(connection)
    _insert_heads(inserter, study_id, times, range(first, first + len(batch.matrix)))
    ids = _ids(connection, study_id, after)
    types = models.TrialValueModel.TrialValueType
    value_type = inserter.stored(models.TrialValueModel.__table__.c.value_type, types.FINITE)
    with_params = np.array(ids)[whole].tolist()
    for model, columns, contents in (
        (models.TrialParamModel, PARAM_COLUMNS, rows.params(with_params, batch.matrix[whole])),
        (models.TrialValueModel, VALUE_COLUMNS, rows.values(ids, batch, value_type)),
        (models.TrialUserAttributeModel, ATTRIBUTE_COLUMNS, rows.user_attributes(ids, batch)),
        (models.TrialSystemAttributeModel, ATTRIBUTE_COLUMNS, rows.system_attributes(ids, batch)),
    ):
        inserter.insert(model.__table__, columns, contents)
    return ids


def _insert_heads(
    inserter: Inserter,
    study_id: int,
    times: tuple[datetime.datetime, datetime.datetime],
    numbers: Sequence[int],
) -> None:
    table = models.TrialModel.__table__
    state = inserter.stored(table.c.state, TrialState.COMPLETE)
    started = inserter.stored(table.c.datetime_start, utc(times[0]))
    completed = inserter.stored(table.c.datetime_start, utc(times[1]))
    inserter.insert(
        table,
        ("study_id", "number", "state", "datetime_start", "datetime_complete"),
        [(study_id, number, state, started, completed) for number in numbers],
    )


def _ids(connection: sa.Connection, study_id: int, after: int) -> list[int]:
    return [
        trial_id for (trial_id,) in fetch_rows(connection, _NEW_IDS, study=study_id, after=after)
    ]


def utc(moment: datetime.datetime) -> datetime.datetime:
    """Return a local time as Optuna stores it: in UTC, without a time zone."""
    return moment.astimezone(datetime.UTC).replace(tzinfo=None)
