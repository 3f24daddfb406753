"""Offsets of groups of measurements, such as those of one worker or one set of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._rules import Instead, shown
from optuna_ofa.exceptions import InvalidArgumentError

MOST_GROUPS = 1_000

Labels = Annotated[Iterable[Any], Instead("labels", lambda _: True)]  # `read_groups` checks them


class Groups(NamedTuple):
    """Which group each measurement belongs to.

    Args:
        names: ``(n_groups,)`` different labels as text, in the order of their first rows.
        of_rows: ``(n,)`` index of each row's group.
    """

    names: tuple[str, ...]
    of_rows: NDArray[np.intp]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Return the number of rows of each group."""
        return np.bincount(self.of_rows, minlength=len(self.names))


class Offsets(NamedTuple):
    """How far the values of each group are above the mean of all rows, in points.

    Args:
        groups: The groups.
        values: ``(n_groups,)`` estimates; the mean over all rows is zero.
        std: ``(n_groups,)`` their standard errors; NaN where an offset cannot be known.
    """

    groups: Groups
    values: NDArray[np.float64]
    std: NDArray[np.float64]

    def of_rows(self) -> NDArray[np.float64]:
        """Return the offset of each row, ``(n,)``."""
        return self.values[self.groups.of_rows]

    def to_dict(self) -> dict[str, dict[str, float | int | None]]:
        """Return the offset, its standard error and the number of rows of each group."""
        table = zip(self.groups.names, self.values, self.std, self.groups.sizes, strict=True)
        return {
            name: {
                "offset": float(value),
                "standard_error": None if np.isnan(std) else float(std),
                "rows": int(n),
            }
            for name, value, std, n in table
        }


def read_groups(labels: Iterable[Any], n: int) -> Groups:
    """Check the labels of ``n`` rows.

    Raises:
        InvalidArgumentError: If there is not one label for each row, they are not all whole
            numbers or all strings, there are more than 1,000 different ones, or no two rows have
            the same one.
    """
    items = _items(labels)
    if len(items) != n:
        raise InvalidArgumentError(
            f"`group` must be {n} labels, one per subnet, but got {len(items)}."
        )
    kinds = {_kind(item) for item in items}
    if None in kinds or len(kinds) > 1:
        wrong = next((x for x in items if _kind(x) is None), items)
        raise InvalidArgumentError(
            f"`group` must be labels that are all whole numbers or all strings, but got "
            f"{shown(wrong)}."
        )
    names = tuple(dict.fromkeys(map(str, items)))
    if len(names) > MOST_GROUPS or len(names) == n > 1:
        raise InvalidArgumentError(
            f"`group` must be labels of who or what measured several rows, at most {MOST_GROUPS:,} "
            f"different ones, but got {len(names)} for {n} rows."
        )
    index = {name: i for i, name in enumerate(names)}
    return Groups(names, np.array([index[str(item)] for item in items], dtype=np.intp))


def numbered_groups(of_rows: NDArray[np.intp]) -> Groups:
    """Return groups that are numbers from 0 on."""
    return Groups(tuple(str(i) for i in range(int(of_rows.max()) + 1)), of_rows)


def _items(labels: Any) -> list[Any]:
    if hasattr(labels, "tolist"):  # arrays, tensors, series
        labels = labels.tolist()
    ordered = isinstance(labels, Iterable) and not isinstance(labels, str | bytes | Mapping | Set)
    if not ordered:
        raise InvalidArgumentError(
            f"`group` must be a sequence of labels, one per subnet, but got {shown(labels)}."
        )
    return list(labels)


def _kind(label: Any) -> type | None:
    """Return the kind of a label, None if it cannot be one."""
    if isinstance(label, bool | np.bool_):
        return None
    if isinstance(label, int | np.integer):
        return int
    return str if isinstance(label, str) else None
