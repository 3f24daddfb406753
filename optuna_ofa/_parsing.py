"""Parsing JSON and CSV that others wrote: within limits, and without ambiguity.

Whatever the text, parsing takes seconds at most and ends in a value or a `FormatError`. The limits
are far above those of any real file.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import Any, NoReturn

import numpy as np

from optuna_ofa.exceptions import FormatError

MAX_MB = 64  # megabytes of 10^6 bytes, unless the caller expects more
MAX_DEPTH = 100  # of nested lists and objects
MAX_DIGITS = 100  # of a number with a fraction or exponent
MARKS_PER_MB = 40_000  # punctuation marks outside of texts

_NOT_MARKS = bytes(set(range(256)) - set(b'"[]{},:'))
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1
_PAIR = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..")
_HALF = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")


def in_a_line(error: BaseException) -> str:
    """Return the message of an error on one line, without a full stop at its end."""
    return " ".join(str(error).split())[:300].removesuffix(".")


@contextlib.contextmanager
def refused(
    kind: str, where: str | PathLike[str], argument: str, error: type[Exception] = ValueError
) -> Iterator[None]:
    """Turn errors of a parser into a `FormatError` that names the file.

    Args:
        kind: What the text must be: "JSON".
        where: The file, or what else has the text.
        argument: Name of the caller's argument that error messages begin with.
        error: What the parser raises, besides ValueError and RecursionError.
    """
    try:
        yield
    except FormatError:
        raise
    except (ValueError, RecursionError, error) as failure:
        raise FormatError(
            f"`{argument}` must be {kind}, but {where} is not: {in_a_line(failure)}."
        ) from failure


def parse_json(
    text: str, where: str | PathLike[str], argument: str = "path", *, max_mb: float = MAX_MB
) -> Any:
    """Return the value of a JSON text.

    Beyond what JSON forbids, these are refused: names that an object has twice, NaN and Infinity,
    numbers beyond 64 bits, null characters, halves of surrogate pairs, more than 100 levels, and
    more punctuation marks than 40,000 for each MB of ``max_mb``.

    Args:
        text: The text.
        where: The file, or what else has the text, for messages.
        argument: Name of the caller's argument that error messages begin with.
        max_mb: The largest size of the file in MB.

    Raises:
        FormatError: If it is not JSON, or exceeds a limit.
    """
    with refused("JSON", where, argument):
        _require_limits(text, round(MARKS_PER_MB * max_mb))
        return _DECODER.decode(text)


def parse_object(text: str) -> dict[str, Any]:
    """Return the object of a JSON text, an argument ``text``.

    Raises:
        FormatError: As `parse_json`, or if it is something else than an object.
    """
    data = parse_json(text, f"{text[:80]!r}", "text")
    if not isinstance(data, dict):
        raise FormatError(f"`text` must be a JSON object, but got {text!r:.200}.")
    return data


def _require_limits(text: str, most: int) -> None:
    """Refuse too many or too deep lists and objects before any of them is built."""
    if len(text) <= most and "\\u" not in text and text.count("[") + text.count("{") <= MAX_DEPTH:
        return  # what follows would take longer than parsing a short text
    plain = text.replace("\\\\", "").replace('\\"', "")  # quotes that remain delimit texts
    if _HALF.search(plain) and _HALF.search(_PAIR.sub("", plain)):
        raise ValueError("a text has a null character or half of a surrogate pair")
    marks = plain.encode("utf-8", "surrogatepass").translate(None, _NOT_MARKS)
    marks = marks.replace(b'""', b"")  # texts without marks
    if len(marks) > 2 * most:
        raise ValueError(f"it has more than {most:,} commas, colons and brackets")
    marks = b"".join(marks.split(b'"')[::2])  # outside of texts
    if len(marks) > most:
        raise ValueError(f"it has more than {most:,} commas, colons and brackets")
    depth = np.cumsum(_STEP[np.frombuffer(marks, np.uint8)], dtype=np.int32)
    if depth.max(initial=0) > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError(f"an object has the name {_twice(name for name, _ in pairs)} twice")
    return entries


def _twice(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return f"{name!r:.100}"
        seen.add(name)
    return ""


def whole(text: str) -> int:
    """Return a whole number of at most 64 bits.

    Raises:
        ValueError: If it has more.
    """
    number = int(text) if len(text) <= 20 else 2**63
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"it has a number beyond 64 bits: {text[:20]}")
    return number


def finite(text: str) -> float:
    """Return a finite number.

    Raises:
        ValueError: If it is too large for a float, or has more than 100 characters.
    """
    number = float(text) if len(text) <= MAX_DIGITS else math.inf
    if not math.isfinite(number):
        raise ValueError(f"it has a number that is too large or too long: {text[:20]}")
    return number


def _constant(text: str) -> NoReturn:
    raise ValueError(f"it has {text}, which is not a number of JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=whole, parse_float=finite, parse_constant=_constant
)


def parse_csv(
    text: str, where: str | PathLike[str], argument: str = "path", *, max_mb: float = MAX_MB
) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """Return the columns of a CSV text, which its first line names, and its rows.

    Args:
        text: The text.
        where: As in `parse_json`.
        argument: As in `parse_json`.
        max_mb: As in `parse_json`; the limit is one of commas and lines.

    Returns:
        The columns, and an iterator over numbers of lines and the fields of rows by column, which
        raises the errors of later lines.

    Raises:
        FormatError: If it is not CSV, a column is named twice, a row has more or fewer fields than
            columns, or the limit is exceeded.
    """
    reader = csv.reader(io.StringIO(text), strict=True)
    with refused("CSV", where, argument, csv.Error):
        if text.count(",") + text.count("\n") > MARKS_PER_MB * max_mb:
            raise ValueError(f"it has more than {MARKS_PER_MB * max_mb:,.0f} commas and lines")
        columns = next(reader, [])
        if len(set(columns)) != len(columns):
            raise ValueError(f"it has the column {_twice(columns)} twice")

    def rows() -> Iterator[tuple[int, dict[str, str]]]:
        with refused("CSV", where, argument, csv.Error):
            for row in reader:
                if row and len(row) != len(columns):
                    found = f"line {reader.line_num} has {len(row)} fields"
                    raise ValueError(f"{found}, not {len(columns)}")
                if row:
                    yield reader.line_num, dict(zip(columns, row, strict=True))

    return columns, rows()
