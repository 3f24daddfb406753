"""The storages that the benchmarks write to, each empty and removed afterwards."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

# Opens a storage; called once for each process or reader that the benchmark plays.
Opener = Callable[[], str | BaseStorage | None]
SERVERS = {"PostgreSQL": "OPTUNA_OFA_TEST_POSTGRESQL", "MariaDB": "OPTUNA_OFA_TEST_MYSQL"}


def openers(folder: Path, stack: contextlib.ExitStack) -> dict[str, Opener | None]:
    """Every storage by name; None for a server whose URL is not in the environment.

    Args:
        folder: An empty folder for files.
        stack: Takes care of removing the databases.
    """
    found: dict[str, Opener | None] = {
        "memory": lambda: None,
        "SQLite file": lambda: f"sqlite:///{folder}/study.db",
        "journal file": lambda: JournalStorage(JournalFileBackend(f"{folder}/study.log")),
    }
    for name, variable in SERVERS.items():
        if url := os.environ.get(variable):
            database = stack.enter_context(temporary_database(url))
            found[name] = lambda database=database: database  # type: ignore[misc]
        else:
            found[name] = None
    return found


@contextlib.contextmanager
def temporary_database(url: str) -> Iterator[str]:
    """A new database on the server of a URL, and dropped at the end."""
    name = f"benchmark_{uuid.uuid4().hex[:12]}"
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    try:
        new = sqlalchemy.make_url(url).set(database=name)
        yield new.render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if engine.dialect.name == "postgresql" else ""
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"DROP DATABASE {name}{force}"))
        engine.dispose()
