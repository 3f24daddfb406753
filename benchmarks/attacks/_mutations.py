"""Ways to damage a file, chosen by a random generator."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import tempfile
from collections.abc import Callable

import numpy as np

Way = Callable[[np.random.Generator, bytes], bytes]
NUMBERS = (
    "-1 0 -0.0 1e308 1e999 -1e30 1e-300 1e12 2147483648 9223372036854775808 0x10 3:14:15 1_0 NaN "
    'Infinity -Infinity nan inf .inf true null [] {} \'\' "3" [3] {"a":1} 1' + "0" * 5000
).split()
TEXTS = ["", "\x00", "x" * 10_000, "../../etc/passwd", "\\ud800", "é" * 9, "0", "None", "<script>"]
NUMBER = re.compile(rb"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])", re.ASCII)
TEXT = re.compile(rb'"(?:[^"\\\n]|\\.)*"', re.ASCII)
BRACKETS = (b"[", b"{", b'{"a":', b"- ", b"? ", b"(", b"&a [*a,", b"!!python/name:os.system ")


def _one(rng: np.random.Generator, items: list[re.Match[bytes]]) -> re.Match[bytes] | None:
    return items[rng.integers(len(items))] if items else None


def _replace(
    rng: np.random.Generator, data: bytes, pattern: re.Pattern[bytes], new: bytes
) -> bytes:
    # a window, because a file may have a million numbers
    start = int(rng.integers(max(1, len(data) - 2000)))
    found = _one(rng, list(pattern.finditer(data, start, start + 4000)))
    return data if found is None else data[: found.start()] + new + data[found.end() :]


def number(rng: np.random.Generator, data: bytes) -> bytes:
    """Replace a number by another, or by something that is none."""
    return _replace(rng, data, NUMBER, NUMBERS[rng.integers(len(NUMBERS))].encode())


def every_number(rng: np.random.Generator, data: bytes) -> bytes:
    """Replace all numbers by one."""
    return NUMBER.sub(NUMBERS[rng.integers(len(NUMBERS))].encode(), data)


def scaled(rng: np.random.Generator, data: bytes) -> bytes:
    """Multiply a number by a power of ten."""
    return _replace(rng, data, NUMBER, b"%de%d" % (rng.integers(1, 10), rng.integers(-30, 30)))


def text(rng: np.random.Generator, data: bytes) -> bytes:
    """Replace a quoted text."""
    return _replace(rng, data, TEXT, f'"{TEXTS[rng.integers(len(TEXTS))]}"'.encode())


def bits(rng: np.random.Generator, data: bytes) -> bytes:
    """Flip up to sixteen bits."""
    array = np.frombuffer(data, np.uint8).copy()
    for i in rng.integers(len(array), size=rng.integers(1, 17)) if len(array) else ():
        array[i] ^= 1 << rng.integers(8)
    return array.tobytes()


def _span(rng: np.random.Generator, data: bytes) -> slice:
    start = int(rng.integers(len(data) + 1))
    return slice(start, start + int(2 ** rng.uniform(0, 12)))


def deleted(rng: np.random.Generator, data: bytes) -> bytes:
    """Delete a span."""
    span = _span(rng, data)
    return data[: span.start] + data[span.stop :]


def doubled(rng: np.random.Generator, data: bytes) -> bytes:
    """Repeat a span."""
    span = _span(rng, data)
    return data[: span.stop] + data[span.start :]


def cut(rng: np.random.Generator, data: bytes) -> bytes:
    """End early."""
    return data[: rng.integers(len(data) + 1)]


def noise(rng: np.random.Generator, data: bytes) -> bytes:
    """Overwrite a span with random bytes."""
    span = _span(rng, data)
    n = min(span.stop, len(data)) - span.start
    return data[: span.start] + rng.bytes(n) + data[span.start + n :]


def swapped(rng: np.random.Generator, data: bytes) -> bytes:
    """Swap two lines, or two parts between commas."""
    separator = b"\n" if rng.integers(2) else b","
    parts = data.split(separator)
    i, j = rng.integers(len(parts), size=2)
    parts[i], parts[j] = parts[j], parts[i]
    return separator.join(parts)


def repeated(rng: np.random.Generator, data: bytes) -> bytes:
    """Have a line, or a part between commas, twice."""
    separator = b"\n" if rng.integers(2) else b","
    parts = data.split(separator)
    i = int(rng.integers(len(parts)))
    return separator.join([*parts[: i + 1], *parts[i:]])


def deep(rng: np.random.Generator, data: bytes) -> bytes:
    """Insert or become many opening brackets."""
    brackets = BRACKETS[rng.integers(len(BRACKETS))] * int(10 ** rng.uniform(1, 5))
    if rng.integers(2):
        return brackets
    at = int(rng.integers(len(data) + 1))
    return data[:at] + brackets + data[at:]


TEXTUAL: tuple[Way, ...] = (number, number, number, every_number, scaled, text, swapped, repeated)
BINARY: tuple[Way, ...] = (bits, deleted, doubled, cut, noise, deep)


def row(rng: np.random.Generator, data: bytes) -> bytes:
    """Change rows of a SQLite database as anyone may who can write to it."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        connection = sqlite3.connect(file.name, isolation_level=None)
        with contextlib.suppress(sqlite3.Error):  # a rule of the table
            _change(rng, connection)
        connection.close()
        file.seek(0)
        return file.read()


def _change(rng: np.random.Generator, connection: sqlite3.Connection) -> None:
    names = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    tables = [name for (name,) in connection.execute(names)]
    table = tables[rng.integers(len(tables))]
    columns = [found[1] for found in connection.execute(f"PRAGMA table_info({table})")]
    column = columns[rng.integers(len(columns))]
    rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
    if not rows or rng.random() < 0.05:
        connection.execute(f"DROP TABLE {table}")
        return
    rowid, old = rows[rng.integers(len(rows))]
    where = "" if rng.random() < 0.1 else f" WHERE rowid = {rowid}"
    if rng.random() < 0.1:
        connection.execute(f"DELETE FROM {table}{where}")
        return
    connection.execute(f"UPDATE {table} SET {column} = ?{where}", (_other(rng, old),))


def _other(rng: np.random.Generator, old: object) -> object:
    """Return what to put in place of a cell."""
    if isinstance(old, str) and rng.random() < 0.5:
        ways = (number, every_number, text, bits, deleted, cut)
        return ways[rng.integers(len(ways))](rng, old.encode()).decode(errors="replace")
    choices = (None, b"\xff\xfe", -1, 0, 2**62, 1e300, float("inf"), "INF_POS", "NAN", *NUMBERS)
    return choices[rng.integers(len(choices))]


WAYS: dict[str, tuple[Way, ...]] = {
    "text": (*TEXTUAL, *TEXTUAL, *BINARY),
    "binary": BINARY,
    "rows": (row,),
}


def mutate(rng: np.random.Generator, data: bytes, kind: str) -> bytes:
    """Damage a file in one to three ways.

    Args:
        rng: Chooses them.
        data: The content of the file.
        kind: ``"text"``, ``"binary"`` or ``"rows"`` of a SQLite database.
    """
    ways = WAYS[kind]
    for _ in range(int(rng.integers(1, 4))):
        data = ways[rng.integers(len(ways))](rng, data)
    return data
