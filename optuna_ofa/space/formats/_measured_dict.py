"""Files of ``AccuracyDataset`` of the ``ofa`` package: accuracies by the text of a subnet.

A dataset is a folder with ``net_id.dict`` (its subnets), ``src/<size>.dict`` (their accuracies
at a resolution) and, once these have been merged, ``acc.dict``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optuna_ofa._parsing import MAX_MB, parse_json
from optuna_ofa._values import of_metric
from optuna_ofa.exceptions import FormatError, InvalidSubnetError
from optuna_ofa.space._family import Family
from optuna_ofa.space.formats._dialects import json_or_literal, subnet_from_dialect
from optuna_ofa.space.formats._measured_csv import MeasuredRow, require_row

SUFFIX = ".dict"


def dict_files(folder: Path) -> list[Path]:
    """Return the files of a dataset that have accuracies, by ascending resolution.

    Args:
        folder: The folder of the dataset, or its ``src``.

    Raises:
        FormatError: If there are none.
    """
    for place in (folder / "src", folder):
        files = [file for file in place.glob(f"*{SUFFIX}") if file.stem.isdecimal()]
        if files:
            return sorted(files, key=lambda file: int(file.stem))
    if (folder / "acc.dict").is_file():
        return [folder / "acc.dict"]
    raise FormatError(
        f"`path` must be a file, or a folder with src/<size>.dict or acc.dict, but {folder} has "
        f"neither."
    )


def dict_rows(
    text: str, path: Path, family: Family, max_mb: float = MAX_MB
) -> Iterator[MeasuredRow]:
    """Read the entries of a file; subnets without a resolution take that of the file's name.

    Raises:
        FormatError: If it is not a JSON object of accuracies, or an entry cannot be read.
        InvalidSubnetError: If a subnet is not in the family; with the entry.
    """
    data = parse_json(text, path, max_mb=max_mb)
    if isinstance(data, list):
        raise FormatError(
            f"`path` must hold accuracies, but {path} is a list of subnets; name the folder, or "
            f"its src/<size>{SUFFIX}."
        )
    if not isinstance(data, Mapping):
        raise FormatError(f"`path` must be a JSON object of accuracies, but {path} is not.")
    size = int(path.stem) if path.stem.isdecimal() else None
    for i, (spec, top1) in enumerate(data.items()):
        yield _row(spec, top1, size, family, f"{path}, entry {i}")


def _row(spec: Any, top1: Any, size: int | None, family: Family, where: str) -> MeasuredRow:
    accuracy = of_metric("top1", top1, f"{where}: the accuracy")
    try:
        subnet = subnet_from_dialect(_sized(spec, size), family)
    except (FormatError, InvalidSubnetError) as error:
        raise type(error)(f"{where}: {error}") from error
    if size not in (None, subnet.resolution):
        raise FormatError(f"{where}: must be at {size} pixels, as its file, but is {subnet}.")
    return require_row(MeasuredRow(subnet, accuracy), where)


def _sized(spec: Any, size: int | None) -> Any:
    """Return a description with its resolution, or that of its file, if there is one."""
    found = json_or_literal(spec) if isinstance(spec, str) else spec
    if size is None or not isinstance(found, Mapping) or {"r", "image_size"} & set(found):
        return spec
    return {**found, "image_size": size}
