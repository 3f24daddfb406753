"""Published tables of measured subnets, in any supported format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import AnyPath, PositiveFloat, checked
from optuna_ofa._files import read_text
from optuna_ofa._parsing import MAX_MB
from optuna_ofa._plausible import warn_fractions
from optuna_ofa.exceptions import FormatError
from optuna_ofa.space._family import Family
from optuna_ofa.space._find_family import find_family
from optuna_ofa.space._subnet import Subnet
from optuna_ofa.space.formats._measured_columns import require_columns
from optuna_ofa.space.formats._measured_csv import MeasuredRow, csv_rows
from optuna_ofa.space.formats._measured_dict import SUFFIX, dict_files, dict_rows

_ROWS_PER_MB = 1500  # reading one takes 0.1 ms


@dataclass(frozen=True, eq=False)
class MeasuredSubnets:
    """Subnets with their measurements, in the order of the file.

    Args:
        subnets: ``n`` subnets; `SearchSpace.to_matrix` takes them.
        top1: ``(n,)`` top-1 accuracy in percent, NaN where not measured.
        n_macs: ``(n,)`` multiply-adds, 0 where not counted.
        n_params: ``(n,)`` parameters, 0 where not counted.
        latency_ms: ``(n,)`` latency in milliseconds, NaN where not measured.
    """

    subnets: tuple[Subnet, ...]
    top1: NDArray[np.float64]
    n_macs: NDArray[np.int64]
    n_params: NDArray[np.int64]
    latency_ms: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.subnets)


@checked
def read_measured_subnets(
    path: str | PathLike[str], family: Family | AnyPath, *, max_mb: PositiveFloat = MAX_MB
) -> MeasuredSubnets:
    """Read a CSV file of DyNAS-T, or a dataset of ``AccuracyDataset`` of the ``ofa`` package.

    Args:
        path: The CSV file; one ``.dict`` file, such as ``src/224.dict`` or ``acc.dict``; or the
            folder of the dataset, whose files of all sizes are read.
        family: The family of all its subnets, which is not in the file.
        max_mb: The largest file to read, in megabytes of 10^6 bytes.

    Raises:
        FormatError: If the file is missing or of another format, a column is missing, or a field
            cannot be read or is out of range, with the line or entry; or if a value is far from
            the others of its column, or columns are probably exchanged.
        InvalidSubnetError: If a subnet is not in the family; with the line or entry.

    Warns:
        ImplausibleValueWarning: No accuracy is above 1, so they are probably fractions.
    """
    family = find_family(family, "family")
    most = round(_ROWS_PER_MB * max_mb)
    rows = list(islice(_rows(Path(path), family, max_mb), most + 1))
    if len(rows) > most:
        raise FormatError(f"`path` must have at most {most:,} subnets, but {path} has more.")
    numbers = np.array([row[1:] for row in rows], dtype=float).reshape(len(rows), 4)
    top1, n_macs, n_params, latency_ms = numbers.T
    require_columns(numbers, path)
    warn_fractions("top1", top1, f"`path` {path}")
    return MeasuredSubnets(
        tuple(row.subnet for row in rows),
        np.where(top1 == 0, np.nan, top1),
        n_macs.astype(np.int64),
        n_params.astype(np.int64),
        np.where(latency_ms == 0, np.nan, latency_ms),
    )


def _rows(path: Path, family: Family, max_mb: float) -> Iterator[MeasuredRow]:
    if os.path.isdir(path):
        for file in dict_files(path):
            yield from dict_rows(read_text(file, max_mb=max_mb), file, family, max_mb)
        return
    text = read_text(path, max_mb=max_mb)
    is_dict = path.suffix == SUFFIX or text.lstrip()[:1] in ("{", "[")
    yield from (dict_rows if is_dict else csv_rows)(text, path, family, max_mb)
