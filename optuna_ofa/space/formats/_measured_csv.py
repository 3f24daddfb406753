"""Published tables of measured subnets."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import FormatError, InvalidSubnetError
from optuna_ofa.space._families import get_family
from optuna_ofa.space._family import Family
from optuna_ofa.space._subnet import Subnet
from optuna_ofa.space.formats._dialects import subnet_from_dialect

_COLUMNS = ("Sub-network", "Top-1 Acc (%)", "MACs", "Model Parameters", "Latency (ms)")


@dataclass(frozen=True, eq=False)
class MeasuredSubnets:
    """Subnets with their measurements, in the order of the file.

    Args:
        subnets: ``n`` subnets; `SearchSpace.to_matrix` takes them.
        top1: ``(n,)`` top-1 accuracy in percent, NaN where it was not measured.
        n_macs: ``(n,)`` multiply-adds, 0 where they were not counted.
        n_params: ``(n,)`` parameters, 0 where they were not counted.
        latency_ms: ``(n,)`` latency in milliseconds, NaN where it was not measured.
    """

    subnets: tuple[Subnet, ...]
    top1: NDArray[np.float64]
    n_macs: NDArray[np.int64]
    n_params: NDArray[np.int64]
    latency_ms: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.subnets)


def read_measured_subnets(path: str | PathLike[str], family: Family | str) -> MeasuredSubnets:
    """Read a CSV file of DyNAS-T.

    Args:
        path: The file.
        family: The family of all its subnets, which the file does not say.

    Raises:
        FormatError: If a column is missing or a field cannot be read; with the line.
        InvalidSubnetError: If a subnet is not of the family; with the line.
    """
    family = get_family(family) if isinstance(family, str) else family
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise FormatError(f"`path` must have columns {_COLUMNS}, but {path} lacks {missing}.")
        rows = [_read_row(row, family, f"{path}, line {reader.line_num}") for row in reader]
    subnets, *numbers = zip(*rows, strict=True) if rows else [()] * len(_COLUMNS)
    top1, n_macs, n_params, latency_ms = (np.array(column, dtype=float) for column in numbers)
    return MeasuredSubnets(
        subnets,
        np.where(top1 == 0, np.nan, top1),
        n_macs.astype(np.int64),
        n_params.astype(np.int64),
        np.where(latency_ms == 0, np.nan, latency_ms),
    )


def _read_row(row: dict[str, Any], family: Family, where: str) -> tuple[Any, ...]:
    spec, *numbers = (row[name] for name in _COLUMNS)
    try:
        return subnet_from_dialect(spec, family), *(float(number) for number in numbers)
    except (FormatError, InvalidSubnetError) as error:
        raise type(error)(f"{where}: {error}") from error
    except (TypeError, ValueError) as error:
        raise FormatError(f"{where}: must have numbers, but got {numbers}.") from error
