"""Files of latency tables."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from optuna_ofa._files import read_json, read_text
from optuna_ofa._json_format import JsonFormat
from optuna_ofa._parsing import MAX_MB
from optuna_ofa._rules import shown
from optuna_ofa._values import milliseconds, pixels
from optuna_ofa._yaml import parse_yaml
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors.latency._conditions import UNKNOWN, Conditions
from optuna_ofa.predictors.latency._dialects import DIALECTS, TableDialect
from optuna_ofa.predictors.latency._doubts import OTHER_DEVICE, factor
from optuna_ofa.predictors.latency._entries import TableSection, entry_dict, read_entries
from optuna_ofa.space import Family, family_differences, family_from_json

_OWN = (
    "make a table of your own format with `LatencyTable.from_measurements`, see 'A table format of "
    "your own' in docs/formats.md"
)
FORMAT = JsonFormat("optuna_ofa.latency_table", version=2)


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
        raise FormatError(f"`path` must hold .yaml or .json tables, but {path} has none; {_OWN}.")
    contents = [_read_file(file, max_mb) for file in files]
    _require_alike(contents, path)
    sections = tuple(section for content in contents for section in content.sections)
    _require_single(sections, path)
    _require_one_device(files, contents, path)
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


def _require_one_device(
    files: Sequence[Path], contents: Sequence[TableContent], path: Path
) -> None:
    """Refuse files of several devices, by their metadata or entries."""
    processors = [Conditions.of(content.metadata).processor for content in contents]
    if len(set(processors)) > 1:
        raise FormatError(
            f"`path` must hold tables of one device, but {path} has tables of "
            f"{', '.join(dict.fromkeys(name or UNKNOWN for name in processors))}."
        )
    pairs = sorted(zip(contents, files, strict=True), key=lambda x: x[0].sections[0].resolutions)
    for (a, small), (b, large) in itertools.pairwise(pairs):
        differ = factor(a.sections[-1].entries, b.sections[0].entries)
        if differ is not None and differ > OTHER_DEVICE:
            raise FormatError(
                f"`path` must hold tables of one device, but in {path} the layers of {small.name} "
                f"and {large.name} differ by a factor of {differ:.3g} (median), more than their "
                f"sizes: they are of different devices, units or batch sizes."
            )


def _read_file(path: Path, max_mb: float) -> TableContent:
    if path.suffix.lower() in (".csv", ".tsv", ".txt", ".xlsx"):
        raise FormatError(f"`path` must be a .yaml or .json table, but got {path}; {_OWN}.")
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
    dialect = _recognise([str(key) for key in data], path)
    entries = read_entries(data, path)
    resolutions = pixels(_resolutions(entries, dialect), f"The resolutions of {path}")
    return TableContent(dialect, (TableSection(resolutions, entries),), {})


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
            f"empty, but got {shown(metadata)} and {shown(sections)}."
        )
    family = data.get("family")
    unit_ms = milliseconds(data.get("unit"), f"`unit` of {path}")
    read = tuple(_section(s, path, unit_ms) for s in sections)
    _require_single(read, path)
    owner = None if family is None else family_from_json(family, str(path))
    return TableContent(dialect, read, metadata, owner)


def _section(data: Any, path: Path, unit_ms: float) -> TableSection:
    entries = data.get("entries") if isinstance(data, dict) else None
    if not isinstance(entries, dict) or "resolutions" not in data:
        raise FormatError(
            f"`sections` of {path} must be objects with `resolutions` in pixels and "
            f"`entries`, but got {shown(data)}."
        )
    resolutions = pixels(data["resolutions"], f"`resolutions` of {path}")
    return TableSection(resolutions, read_entries(entries, path, unit_ms))


def _require_single(sections: Sequence[TableSection], path: Path) -> None:
    """Refuse several sections of one resolution, of which only the first would be used."""
    sizes = Counter(r for section in sections for r in section.resolutions)
    repeated = sorted(r for r, n in sizes.items() if n > 1)
    if repeated:
        raise FormatError(
            f"`path` must hold one table per resolution, but {path} has several for {repeated}."
        )


def _recognise(keys: Sequence[str], path: Path) -> TableDialect:
    """Return the dialect that matches the stem and block keys of a file."""
    of_blocks = [d for d in DIALECTS if any(_block(d).fullmatch(key.rstrip(":")) for key in keys)]
    for dialect in of_blocks:
        if any(key.startswith(f"{dialect.stem_type}-input:") for key in keys):
            return dialect
    if of_blocks:
        raise FormatError(
            f"`path` must have the entry of the first layer, whose input is the image and shows "
            f"the resolution, but {path} has blocks of the dialect {of_blocks[0].name} and no "
            f"key like '{of_blocks[0].stem_type}-input:224x224x3-output:112x112x16'; add it."
        )
    raise FormatError(
        f"`path` must be a latency table in one of the dialects "
        f"{', '.join(d.name for d in DIALECTS)}, but the keys of {path} are like "
        f"{shown(keys[0])}; {_OWN}."
    )


def _block(dialect: TableDialect) -> re.Pattern[str]:
    return re.compile(
        f"{dialect.layer_types['block']}-input:[^-]+-output:[^-]+"
        + "".join(f"-{name}:[^-]+" for name in dialect.fields)
    )


def _resolutions(keys: Iterable[str], dialect: TableDialect) -> list[int]:
    pattern = re.compile(rf"{dialect.stem_type}-input:(\d+)x")
    matches = (pattern.match(key) for key in keys)
    return sorted({int(match[1]) for match in matches if match})


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
