"""One subnet of a supernet, as a frozen value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from optuna_ofa._arguments import check_argument, checked
from optuna_ofa._parsing import parse_object
from optuna_ofa._rules import shown
from optuna_ofa._values import MAX_PIXELS
from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError, InvalidSubnetError
from optuna_ofa.space._families import family_named, known_families
from optuna_ofa.space._family import Family
from optuna_ofa.space._family_table import family_from_json, require_family


@dataclass(frozen=True)
class Subnet:
    """One subnet: hashable, comparable, and always canonical.

    Entries of blocks that the depth switches off are always set to 0, so two subnets that compute
    the same network are equal. The one exception: 0.65 and 0.8 both give 24 channels in the
    middle of ResNet50D's stem, but published predictors distinguish them.

    Args:
        family: The supernet family; `get_family` finds one by name.
        resolution: Input size in pixels, any positive number: published subnets go up to 260.
        depth: Depth of each stage. ResNet50D: the stem's depth (0 or 2) first, then the number
            of blocks on top of each stage's base depth.
        kernel: Kernel size of each elastic block, in the order of the network; empty for
            bottleneck families, whose kernels are not elastic.
        expand: Expand ratio of each elastic block.
        width: Index of the width multiplier of (stem middle, stem, stages...); empty where
            widths are fixed.

    Raises:
        InvalidSubnetError: If an entry is not a choice of the family, or the lengths are wrong.
    """

    family: Family
    resolution: int
    depth: tuple[int, ...]
    kernel: tuple[int, ...] = ()
    expand: tuple[float, ...] = ()
    width: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        family = self.family
        if not isinstance(family, Family):
            check_argument("family", family, Family)
        object.__setattr__(self, "resolution", _resolution(self.resolution))
        n_widths = len(family.stages) + 2 if len(family.width_mults) > 1 else 0
        widths = (tuple(range(len(family.width_mults))),) * n_widths
        depth = checked_entries("depth", self.depth, family.depth_choices)
        object.__setattr__(self, "depth", depth)
        object.__setattr__(self, "width", checked_entries("width", self.width, widths))
        active = self.active
        expands = (family.expands,) * family.n_blocks
        for name, allowed in (("kernel", family.kernel_choices), ("expand", expands)):
            entries = getattr(self, name)
            object.__setattr__(self, name, checked_entries(name, entries, allowed, active))

    @property
    def active(self) -> tuple[bool, ...]:
        """A flag for each elastic block of the supernet: true if it is part of this subnet."""
        depths = self.stage_depths
        return tuple(position < depths[stage] for stage, position in self.family.block_positions)

    @property
    def stage_depths(self) -> tuple[int, ...]:
        """Number of blocks of each stage, base depth included."""
        stages = self.family.stages
        extra = self.depth[len(self.depth) - len(stages) :]
        return tuple(s.base_depth + d for s, d in zip(stages, extra, strict=True))

    def to_dict(self, *, by_name: bool = False) -> dict[str, Any]:
        """Return the constructor's arguments, JSON-ready; 0 means an absent block.

        Args:
            by_name: Whether a custom family is written as its name only, for places that
                already hold its table.
        """
        family = self.family
        named = by_name or family in known_families()
        data: dict[str, Any] = {"family": family.name if named else family.to_dict()}
        data["resolution"] = self.resolution
        for name in ("depth", "kernel", "expand", "width"):
            if getattr(self, name):
                data[name] = list(getattr(self, name))
        return data

    @classmethod
    @checked
    def from_dict(cls, data: Mapping[str, Any], family: Family | None = None) -> Subnet:
        """Read what `to_dict` wrote.

        Args:
            data: The dict; its family is the name of a published one, or a table.
            family: The expected family. It is required if ``data`` has only the name of a custom
                family.

        Raises:
            InvalidSubnetError: If keys are missing or unknown, or a value is not in the family.
            InvalidArgumentError: If the name of the family is unknown.
            FormatError: If the family is neither a name nor a table.
            FamilyMismatchError: If the subnet is of another family than ``family``.
        """
        names = set(cls.__dataclass_fields__)
        unknown = sorted(set(data) - names)
        missing = sorted({"family", "resolution", "depth"} - set(data))
        if unknown or missing:
            raise InvalidSubnetError(
                f"`data` must have the keys of a subnet ({', '.join(sorted(names))}), but "
                f"{missing} are missing and {unknown} are unknown."
            )
        family = _family(data["family"], family)
        genes = {name: data.get(name, ()) for name in ("depth", "kernel", "expand", "width")}
        return cls(family, data["resolution"], **genes)

    def to_json(self) -> str:
        """Return the subnet as one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    @checked
    def from_json(cls, text: str, family: Family | None = None) -> Subnet:
        """Read what `to_json` wrote; see `from_dict`.

        Raises:
            FormatError: If ``text`` is not a JSON object.
        """
        return cls.from_dict(parse_object(text), family)

    def __str__(self) -> str:
        return f"{self.family.name}@{self.text}"

    @property
    def text(self) -> str:
        """The resolution and the blocks of each stage, without the family: ``224 | k3e3 k5e4``."""
        return subnet_text(
            self.family, self.resolution, self.depth, self.kernel, self.expand, self.width
        )


def subnet_text(
    family: Family,
    resolution: int,
    depth: Sequence[int],
    kernel: Sequence[int] = (),
    expand: Sequence[float] = (),
    width: Sequence[int] = (),
) -> str:
    """Return `Subnet.text` of the fields of a valid subnet."""
    template = text_template(family, depth, has_kernels=bool(kernel), n_widths=len(width))
    return template.format(resolution=resolution, kernel=kernel, expand=expand, width=width)


def text_template(family: Family, depth: Sequence[int], *, has_kernels: bool, n_widths: int) -> str:
    """Return `Subnet.text` of a depth, with fields for `str.format` in place of all other values.

    Args:
        family: The family.
        depth: As in `Subnet`.
        has_kernels: Whether its blocks have kernels to choose.
        n_widths: How many widths it has to choose.
    """
    words = ["{resolution}"]
    if family.stem.depths:
        words.append(f"stem d{depth[0]}")
    first, block = 0, "k{{kernel[{0}]}}" * has_kernels + "e{{expand[{0}]:g}}"
    for stage, extra in zip(family.stages, depth[len(depth) - len(family.stages) :], strict=True):
        blocks = range(first, first + stage.base_depth + extra)
        words.append(" ".join([block.format(i) for i in blocks]))
        first += stage.max_blocks
    if n_widths:
        words.append("w" + "".join([f"{{width[{i}]}}" for i in range(n_widths)]))
    return " | ".join(words)


def _family(found: Any, wanted: Family | None) -> Family:
    """Return the family of a subnet in JSON: its name, or its table."""
    if not isinstance(found, str):
        family = family_from_json(found, "the subnet")
        if wanted is not None:
            require_family(family, wanted, "data", "the subnet", "in the subnet")
        return family
    if wanted is None:
        known = family_named(found)
        if known is None:
            raise InvalidArgumentError(
                f"`family` must be given for a subnet of {found!r:.100}, which is not the name of "
                f"a published family, but got None."
            )
        return known
    if found not in (wanted.name, *wanted.aliases):
        raise FamilyMismatchError(f"`data` must be of {wanted.name}, but got a subnet of {found}.")
    return wanted


def _resolution(value: Any) -> int:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 1 <= value <= MAX_PIXELS or value % 1:
        raise InvalidSubnetError(
            f"`resolution` must be a positive integer, at most {MAX_PIXELS}, but got "
            f"{shown(value)}."
        )
    return int(value)


def checked_entries(
    name: str,
    entries: Sequence[Any],
    allowed: tuple[tuple[float, ...], ...],
    active: tuple[bool, ...] | None = None,
) -> tuple[Any, ...]:
    """Return the entries as the family's own numbers, 0 where inactive.

    Raises:
        InvalidSubnetError: If an active entry is not one of its choices, or is missing.
    """
    if isinstance(entries, np.ndarray):
        entries = entries.tolist()
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes):
        raise InvalidSubnetError(f"`{name}` must be a sequence, but got {shown(entries)}.")
    if len(entries) != len(allowed):
        raise InvalidSubnetError(
            f"`{name}` must have {len(allowed)} entries, but got {len(entries)}: {entries!r}."
        )
    checked: list[float] = []
    for i, (entry, choices) in enumerate(zip(entries, allowed, strict=True)):
        if active is not None and not active[i]:
            checked.append(0)
            continue
        match = _nearest(entry, choices)
        if match is None:
            raise InvalidSubnetError(
                f"`{name}[{i}]` must be one of {choices}, but got {shown(entry)}."
            )
        checked.append(match)
    return tuple(checked)


def _nearest(entry: Any, choices: tuple[float, ...]) -> float | None:
    """Return the choice that equals an entry, up to rounding of ratios such as 0.35."""
    if isinstance(entry, bool | np.bool_):
        return None
    try:
        return next((c for c in choices if abs(c - entry) < 1e-6), None)
    except (TypeError, OverflowError):  # text, None, or an integer of hundreds of digits
        return None
