"""The bytes that studies take in a storage, by table."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from optuna.storages import BaseStorage, JournalStorage

# Bytes of each table with its indexes, in (name, bytes); InnoDB's are estimates after ANALYZE
_QUERIES = {
    "sqlite": (
        "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name "
        "GROUP BY m.tbl_name"
    ),
    "postgresql": "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables",
    "mysql": (
        "SELECT table_name, data_length + index_length FROM information_schema.tables "
        "WHERE table_schema = database()"
    ),
}
_TABLES = ("trial_params", "trial_user_attributes", "trial_system_attributes", "trial_values")


def bytes_by_table(storage: str | BaseStorage, journal: Path) -> dict[str, int]:
    """The bytes of the tables of a URL, indexes included; of a journal, those of its file."""
    if isinstance(storage, JournalStorage):
        return {"journal": journal.stat().st_size}
    engine = sqlalchemy.create_engine(storage)
    with engine.connect() as connection:
        if engine.dialect.name == "mysql":
            tables = ", ".join((*_TABLES, "trials"))
            connection.execute(sqlalchemy.text(f"ANALYZE TABLE {tables}")).close()
        found = connection.execute(sqlalchemy.text(_QUERIES[engine.dialect.name])).all()
    engine.dispose()
    sizes = {name: int(size or 0) for name, size in found}
    rest = sum(size for name, size in sizes.items() if name not in _TABLES)
    return {**{name: sizes[name] for name in _TABLES}, "other tables": rest}
