"""Files of latency tables."""

from __future__ import annotations

import math
import os
import re
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from optuna_ofa._files import read_json, read_text
from optuna_ofa._json_format import JsonFormat
from optuna_ofa._parsing import MAX_MB
from optuna_ofa._yaml import parse_yaml
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors.latency._dialects import DIALECTS, TableDialect
from optuna_ofa.space import Family, family_differences, family_from_json

FORMAT = JsonFormat("optuna_ofa.latency_table", version=2)


class Entry(NamedTuple):
    """One measured layer.

    Args:
        mean_ms: Mean latency in milliseconds.
        std_ms: Standard deviation of single runs in milliseconds; NaN if unknown.
        n_runs: Number of runs; 0 if unknown.
        median_ms: Median of single runs; NaN if unknown.
        min_ms: The fastest run; NaN if unknown.
    """

    mean_ms: float
    std_ms: float = math.nan
    n_runs: int = 0
    median_ms: float = math.nan
    min_ms: float = math.nan


class TableSection(NamedTuple):
    """Entries that belong together, and the input sizes of the networks they were measured in.

    Published tables with one file per resolution repeat keys (``Conv_2-input:1x1x1152…``) with
    different values, so each file becomes a separate section.
    """

    resolutions: tuple[int, ...]
    entries: Mapping[str, Entry]


class TableContent(NamedTuple):
    """The content of a table file or folder.

    Args:
        dialect: The keys.
        sections: The entries.
        metadata: Facts about the measurement.
        family: The family that was measured; None if the file does not say, like published ones.
    """

    dialect: TableDialect
    sections: tuple[TableSection, ...]
    metadata: Mapping[str, Any]
    family: Family | None = None


def read_table(path: Path, max_mb: float = MAX_MB) -> TableContent:
    """Read a file, or a folder with one file per resolution.

    Args:
        path: The file or folder.
        max_mb: The largest file to read, in megabytes of 10^6 bytes.

    Raises:
        FormatError: If a file is missing, too large, not a table, or of another dialect than the
            rest of its folder.
    """
    if not os.path.isdir(path):
        return _read_file(path, max_mb)
    files = sorted(f for f in path.iterdir() if f.suffix in (".yaml", ".yml", ".json"))
    if not files:
        raise FormatError(f"`path` must hold .yaml or .json tables, but {path} has none.")
    contents = [_read_file(file, max_mb) for file in files]
    _require_alike(contents, path)
    sections = tuple(section for content in contents for section in content.sections)
    sizes = Counter(r for section in sections for r in section.resolutions)
    repeated = sorted(r for r, n in sizes.items() if n > 1)
    if repeated:
        raise FormatError(
            f"`path` must hold one table per resolution, but {path} has several for {repeated}."
        )
    return contents[0]._replace(sections=sections)


def _require_alike(contents: Sequence[TableContent], path: Path) -> None:
    """Refuse tables of several dialects or families in one folder."""
    names = [c.family.name if c.family else "" for c in contents]
    kinds = {f"{c.dialect.name} {n}".strip() for c, n in zip(contents, names, strict=True)}
    if len(kinds) > 1:
        raise FormatError(
            f"`path` must hold tables of one dialect and family, but {path} has {sorted(kinds)}."
        )
    first = contents[0].family
    other = next((c.family for c in contents if c.family and first and c.family != first), None)
    if first and other:
        raise FormatError(
            f"`path` must hold tables of one family, but {path} has two: "
            f"{family_differences(first, other, 'in the first', 'in another')}."
        )


def _read_file(path: Path, max_mb: float) -> TableContent:
    if path.suffix == ".json":
        data = read_json(path, max_mb=max_mb)
    else:
        data = parse_yaml(read_text(path, max_mb=max_mb), path)
    if not isinstance(data, dict) or not data:
        raise FormatError(
            f"`path` must hold a mapping of layers, but {path} holds {type(data).__name__}."
        )
    if data.get("format") == FORMAT.name:
        return table_from_dict(data, path)
    entries = {str(key).rstrip(":"): _entry(key, value, path) for key, value in data.items()}
    dialect = _recognise(entries, path)
    section = TableSection(_resolutions(entries, dialect), entries)
    _require_time([section], path)
    return TableContent(dialect, (section,), {})


def table_from_dict(data: Mapping[str, Any], path: Path) -> TableContent:
    """Read what `table_dict` returned; ``path`` is for the messages.

    Raises:
        FormatError: If it is not a table, or has entries that are not latencies.
        FamilyMismatchError: If its family has a published name but another table.
    """
    FORMAT.check(data, path)
    dialect = next((d for d in DIALECTS if d.name == data.get("keys")), None)
    if dialect is None:
        raise FormatError(
            f"`keys` of {path} must be one of {[d.name for d in DIALECTS]}, but "
            f"is {data.get('keys')!r}."
        )
    metadata, sections = data.get("metadata", {}), data.get("sections")
    if not isinstance(metadata, dict) or not isinstance(sections, list) or not sections:
        raise FormatError(
            f"`metadata` of {path} must be an object and `sections` a list, not "
            f"empty, but got {_short(metadata)} and {_short(sections)}."
        )
    family = data.get("family")
    read = tuple(_section(s, path) for s in sections)
    _require_time(read, path)
    owner = None if family is None else family_from_json(family, str(path))
    return TableContent(dialect, read, metadata, owner)


def _require_time(sections: Sequence[TableSection], path: Path) -> None:
    """Refuse a section whose entries are all 0, because the sums would be 0 as well."""
    for section in sections:
        if section.entries and not any(e.mean_ms > 0 for e in section.entries.values()):
            raise FormatError(
                f"`path` must hold positive milliseconds, but all of {path} at "
                f"{list(section.resolutions)} pixels are 0."
            )


def _section(data: Any, path: Path) -> TableSection:
    resolutions = data.get("resolutions") if isinstance(data, dict) else None
    entries = data.get("entries") if isinstance(data, dict) else None
    if (
        not isinstance(entries, dict)
        or not isinstance(resolutions, list)
        or not resolutions
        or any(type(r) is not int or r < 1 for r in resolutions)
    ):
        raise FormatError(
            f"`sections` of {path} must be objects with `resolutions` in pixels and "
            f"`entries`, but got {_short(data)}."
        )
    return TableSection(
        tuple(resolutions), {key: _entry(key, value, path) for key, value in entries.items()}
    )


def _entry(key: object, value: Any, path: Path) -> Entry:
    if not isinstance(value, Mapping) or "mean" not in value:
        raise FormatError(
            f"`{key}` in {path} must be a mapping with `mean`, but is {_short(value)}."
        )
    try:
        if isinstance(value["mean"], bool):
            raise TypeError("a boolean is not a number")
        mean, count = float(value["mean"]), int(value.get("count", 0))
        median, least = (float(value.get(key, math.nan)) for key in ("median", "min"))
        std = float(value["std"]) if "std" in value else math.sqrt(value.get("var", math.nan))
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(
            f"`{key}` in {path} must have numbers, but has {_short(value)}."
        ) from error
    others = [v for v in (std, median, least) if not math.isnan(v)]
    if any(not math.isfinite(v) or v < 0 for v in (mean, *others)):
        raise FormatError(
            f"`{key}` in {path} must have finite, non-negative milliseconds, but "
            f"has {_short(value)}."
        )
    return Entry(mean, std, count, median, least)


def _short(value: object) -> str:
    """Return a representation of bounded length."""
    return reprlib.repr(value)


def _recognise(entries: Mapping[str, Entry], path: Path) -> TableDialect:
    """Return the dialect that matches the stem and block keys of a file."""
    for dialect in DIALECTS:
        block = re.compile(
            f"{dialect.layer_types['block']}-input:[^-]+-output:[^-]+"
            + "".join(f"-{name}:[^-]+" for name in dialect.fields)
        )
        if any(key.startswith(f"{dialect.stem_type}-input:") for key in entries) and any(
            block.fullmatch(key) for key in entries
        ):
            return dialect
    example = next(iter(entries))
    raise FormatError(
        f"`path` must be a latency table in one of the dialects "
        f"{', '.join(d.name for d in DIALECTS)}, but the keys of {path} are like {example!r}."
    )


def _resolutions(entries: Mapping[str, Entry], dialect: TableDialect) -> tuple[int, ...]:
    pattern = re.compile(rf"{dialect.stem_type}-input:(\d+)x")
    matches = (pattern.match(key) for key in entries)
    return tuple(sorted({int(match[1]) for match in matches if match}))


def write_table(content: TableContent, path: Path) -> None:
    """Write our own format, whole or not at all: see ``docs/formats.md``."""
    FORMAT.write(path, _contents(content), indent=1)


def table_dict(content: TableContent) -> dict[str, Any]:
    """Return a table as a JSON object of our own format."""
    return FORMAT.wrap(_contents(content))


def _contents(content: TableContent) -> dict[str, Any]:
    return {
        "unit": "ms",
        "keys": content.dialect.name,
        "family": None if content.family is None else content.family.to_dict(),
        "metadata": dict(content.metadata),
        "sections": [
            {
                "resolutions": list(section.resolutions),
                "entries": {key: entry_dict(e) for key, e in sorted(section.entries.items())},
            }
            for section in content.sections
        ],
    }


def entry_dict(entry: Entry) -> dict[str, float]:
    """Return an entry as it is written to files, without unknown values."""
    data: dict[str, float] = {"mean": entry.mean_ms}
    if not math.isnan(entry.std_ms):
        data["std"] = entry.std_ms
    if entry.n_runs:
        data["count"] = entry.n_runs
    others = {"median": entry.median_ms, "min": entry.min_ms}
    return data | {name: value for name, value in others.items() if not math.isnan(value)}
