"""The fastest way of each driver to insert many rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

# Drivers that take tuples for a statement with these marks. PyMySQL makes one statement of many.
_MARKS = {"pysqlite": "?", "pymysql": "%s"}


class Inserter:
    """Inserts rows within the transaction of a connection.

    Args:
        connection: Where to. psycopg gets COPY, the drivers of SQLite and PyMySQL tuples, and
            every other driver what SQLAlchemy makes for it.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._driver = connection.dialect.driver
        self._raw = self._driver == "psycopg" or self._driver in _MARKS

    def stored(self, column: sa.Column[Any], value: Any) -> Any:
        """A value as rows for this driver have to hold it: an enum's name, a date's text."""
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
            rows: Numbers and texts, and what `stored` gives for columns of other types.
        """
        if not rows:
            return
        quote = self._connection.dialect.identifier_preparer.quote
        target = f"{quote(table.name)} ({', '.join(map(quote, columns))})"
        if self._driver == "psycopg":
            self._copy(f"COPY {target} FROM STDIN", rows)
        elif self._raw:
            marks = ", ".join(_MARKS[self._driver] for _ in columns)
            self._connection.exec_driver_sql(f"INSERT INTO {target} VALUES ({marks})", rows)
        else:
            dicts = [dict(zip(columns, row, strict=True)) for row in rows]
            self._connection.execute(sa.insert(table), dicts)

    def _copy(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        driver: Any = self._connection.connection
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
