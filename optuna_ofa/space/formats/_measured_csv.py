"""CSV files of DyNAS-T: measured subnets, one per line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from optuna_ofa._parsing import MAX_MB, parse_csv
from optuna_ofa._plausible import plausible, rule_of
from optuna_ofa._values import parsed
from optuna_ofa.exceptions import FormatError, InvalidSubnetError
from optuna_ofa.space._family import Family
from optuna_ofa.space._subnet import Subnet
from optuna_ofa.space.formats._dialects import subnet_from_dialect

_COLUMNS = ("Sub-network", "Top-1 Acc (%)", "MACs", "Model Parameters", "Latency (ms)")


_COUNTS = ("n_macs", "n_params")


class MeasuredRow(NamedTuple):
    """One measured subnet; 0 means not measured.

    Args:
        subnet: The subnet.
        top1: Top-1 accuracy in percent.
        n_macs: Multiply-adds.
        n_params: Parameters.
        latency_ms: Latency in milliseconds.
    """

    subnet: Subnet
    top1: float
    n_macs: float = 0
    n_params: float = 0
    latency_ms: float = 0


def require_row(row: MeasuredRow, where: str) -> MeasuredRow:
    """Return a row after checking that its numbers are plausible.

    Raises:
        FormatError: If one is negative or too large, an accuracy is above 100, a count is no
            whole number, or the counts are exchanged.
    """
    for metric, value in zip(row._fields[1:], row[1:], strict=True):
        whole = metric in _COUNTS
        if value != 0 and (not plausible(metric, value) or (whole and value % 1)):
            raise FormatError(
                f"{where}: {metric} must be {'whole, ' * whole}{rule_of(metric)}, or 0 where it "
                f"was not measured, but got {value:g}."
            )
    if 0 < 2 * row.n_macs < row.n_params:  # almost all parameters multiply at least once
        raise FormatError(
            f"{where}: n_macs must be above n_params, but got {row.n_macs:g} and "
            f"{row.n_params:g}; they are probably exchanged."
        )
    return row


def csv_rows(
    text: str, path: Path, family: Family, max_mb: float = MAX_MB
) -> Iterator[MeasuredRow]:
    """Read the lines of a file.

    Raises:
        FormatError: If a column is missing or a field cannot be read; with the line.
        InvalidSubnetError: If a subnet is not in the family; with the line.
    """
    columns, rows = parse_csv(text, path, max_mb=max_mb)
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise FormatError(f"`path` must have columns {_COLUMNS}, but {path} lacks {missing}.")
    for line, row in rows:
        yield _row(row, family, f"{path}, line {line}")


def _row(row: dict[str, Any], family: Family, where: str) -> MeasuredRow:
    spec, *fields = (row[name] for name in _COLUMNS)
    try:
        subnet = subnet_from_dialect(spec, family)
    except (FormatError, InvalidSubnetError) as error:
        raise type(error)(f"{where}: {error}") from error
    names = zip(MeasuredRow._fields[1:], fields, strict=True)
    numbers = [parsed(field, f"{where}: {name}") for name, field in names]
    return require_row(MeasuredRow(subnet, *numbers), where)
