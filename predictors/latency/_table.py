"""Layer-wise latency: a look-up table of measured layers."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optuna_ofa._arguments import AnyPath, OutputFile, Positive, PositiveFloat, checked
from optuna_ofa._parsing import MAX_MB
from optuna_ofa._plausible import numbers
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import (
    ExtrapolationWarning,
    FamilyMismatchError,
    InvalidArgumentError,
    MissingEntryError,
)
from optuna_ofa.predictors.latency._conditions import Conditions
from optuna_ofa.predictors.latency._dialects import LAYERS
from optuna_ofa.predictors.latency._entries import Entry, TableSection
from optuna_ofa.predictors.latency._extrapolation import extrapolate
from optuna_ofa.predictors.latency._interpolation import LINEAR_IN_AREA, interpolate
from optuna_ofa.predictors.latency._table_files import TableContent, read_table, write_table
from optuna_ofa.space import Family, Layer, SearchSpace, require_family


class LatencyTable:
    """The latency table of one device: measured latencies of single layers.

    `LatencyPredictor` adds up its entries for whole subnets. `load` recognises three published
    dialects and our own (``docs/formats.md``).

    Args:
        content: The content of a file; use `load` or `from_measurements`.
    """

    @checked
    def __init__(self, content: TableContent) -> None:
        self._content = content

    @classmethod
    @checked
    def load(cls, path: AnyPath, *, max_mb: PositiveFloat = MAX_MB) -> LatencyTable:
        """Read a table from a file, or from a folder with one file per resolution.

        Args:
            path: The file or folder.
            max_mb: The largest file to read, in megabytes of 10^6 bytes.

        Raises:
            FormatError: If it is not a latency table, with the reason.
        """
        return cls(read_table(Path(path), max_mb))

    @classmethod
    @checked
    def from_measurements(
        cls,
        *,
        family: Family,
        resolutions: Sequence[Positive],
        latencies: Mapping[Layer, Entry],
        metadata: Mapping[str, Any] | None = None,
    ) -> LatencyTable:
        """Make a table from layers that you measured.

        Args:
            family: The family that the layers belong to.
            resolutions: Input sizes of the networks in pixels.
            latencies: Mean, standard deviation (ms) and number of runs of each layer.
            metadata: Facts about the measurement (JSON): ``processor``, ``runtime``, ``versions``,
                ``settings``, ``date`` and others. Verifications compare them with the conditions
                of measurements.

        Raises:
            InvalidArgumentError: If a mean is not finite, or negative.
        """
        for layer, entry in latencies.items():
            mean = numbers(entry.mean_ms, "`latencies`")
            if not np.isfinite(mean).all() or (mean < 0).any():
                raise InvalidArgumentError(
                    f"`latencies` must be milliseconds that are 0 or positive, but got "
                    f"{entry.mean_ms!r} for {layer}."
                )
        keys = {layer: LAYERS.key(layer, family.head.n_classes) for layer in latencies}
        entries = {key: latencies[layer] for layer, key in keys.items() if key is not None}
        section = TableSection(tuple(resolutions), entries)
        return cls(TableContent(LAYERS, (section,), dict(metadata or {}), family))

    @checked
    def save(self, path: OutputFile) -> None:
        """Write the table as JSON in our own format; an existing file is replaced as a whole."""
        write_table(self._content, Path(path))

    # ------------------------------------------------------------------ content

    @property
    def dialect(self) -> str:
        """The dialect of the keys: ``ofa``, ``proxylessnas``, ``nsganetv2`` or ``layers``."""
        return self._content.dialect.name

    @property
    def family(self) -> Family | None:
        """The family that was measured; None if the file does not say, like published ones."""
        return self._content.family

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Input sizes in the table, in pixels, ascending."""
        return tuple(sorted({r for s in self._content.sections for r in s.resolutions}))

    @property
    def content(self) -> TableContent:
        """The content of a file of the table."""
        return self._content

    @property
    def interpolates(self) -> bool:
        """True if it was measured at few resolutions, and those between are interpolated."""
        return (
            self._content.metadata.get("interpolation") == LINEAR_IN_AREA
            and len(self.resolutions) > 1
        )

    @checked
    def covered(self, resolutions: Iterable[Positive]) -> tuple[int, ...]:
        """Return which of some resolutions the table can price."""
        known = self.resolutions
        between = range(known[0], known[-1] + 1) if self.interpolates else ()
        return tuple(r for r in resolutions if r in known or r in between)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Facts about the measurement; for a published table the device, if it has a name."""
        return dict(self._content.metadata)

    @property
    def has_spread(self) -> bool:
        """True if any entry has a standard deviation."""
        entries = (e for s in self._content.sections for e in s.entries.values())
        return any(not math.isnan(entry.std_ms) for entry in entries)

    def __len__(self) -> int:
        return sum(len(section.entries) for section in self._content.sections)

    def __eq__(self, other: object) -> bool:
        """Return whether another table has the same entries, metadata and family."""
        if not isinstance(other, LatencyTable):
            return NotImplemented
        return _comparable(self._content) == _comparable(other._content)

    def __hash__(self) -> int:
        return hash((self.dialect, self.resolutions, len(self)))

    def __repr__(self) -> str:
        r = self.resolutions
        of = Conditions.of(self.metadata)
        return f"LatencyTable({self.dialect}, {len(self)} entries, {r[0]}..{r[-1]} px, {of})"

    # ------------------------------------------------------------------ single layers

    @checked
    def layer(self, layer: Layer, resolution: Positive, n_classes: Positive = 1000) -> Entry:
        """Return the entry of one layer of a network.

        Args:
            layer: The layer.
            resolution: Input size of the network in pixels.
            n_classes: Outputs of the network's classifier.

        Returns:
            The entry; zero if another entry includes the layer.

        Raises:
            MissingEntryError: With the key, and the nearest keys that exist.
        """
        key = self._content.dialect.key(layer, n_classes)
        if key is None:
            return Entry(0.0, 0.0)
        section = self._section(resolution)
        if key not in section.entries:
            raise _missing(key, section)
        return section.entries[key]

    @checked
    def layers(
        self, layers: Iterable[Layer], resolution: Positive, n_classes: Positive = 1000
    ) -> Entry:
        """Return the latency of any network that is given by its layers, as a sum.

        Returns:
            Sum of the means, and the standard deviations added in quadrature.

        Raises:
            MissingEntryError: See `layer`.
        """
        entries = [self.layer(layer, resolution, n_classes) for layer in layers]
        std = math.sqrt(math.fsum(e.std_ms**2 for e in entries))
        return Entry(math.fsum(e.mean_ms for e in entries), std)

    def _section(self, resolution: int) -> TableSection:
        for section in self._content.sections:
            if resolution in section.resolutions:
                return section
        raise InvalidArgumentError(
            f"`resolution` must be one that the table has, {self.resolutions}, but got "
            f"{resolution}."
        )

    # ------------------------------------------------------------------ whole search spaces

    @checked
    def fill(self, space: SearchSpace) -> LatencyTable:
        """Return the table with an entry for every layer at every resolution of a space.

        Layers at resolutions that were not measured are interpolated by their area between the
        two nearest resolutions. Outside the measured range they are extrapolated by a robust line
        through all measured resolutions, with a warning (`ExtrapolationWarning`) and standard
        deviations that grow with the distance.

        Raises:
            InvalidArgumentError: If only one resolution was measured, and others are missing.
            MissingEntryError: If a layer is missing at a measured resolution.
        """
        known = self.resolutions
        missing = [r for r in space.resolutions if r not in known]
        if not missing:
            return self
        if len(known) < 2:
            raise InvalidArgumentError(
                f"`space` must have the only resolution of the table, {known[0]}, or the table "
                f"two or more, but the space has {missing} too."
            )
        outside = [r for r in missing if not known[0] < r < known[-1]]
        if outside:
            warn(
                f"Latencies at {outside} pixels are extrapolated: the table was measured at "
                f"{list(known)}.",
                ExtrapolationWarning,
            )
        sections = tuple(self._interpolated(space.restrict(resolution=r)) for r in missing)
        return LatencyTable(self._content._replace(sections=(*self._content.sections, *sections)))

    def _interpolated(self, space: SearchSpace) -> TableSection:
        n_classes = space.family.head.n_classes
        known = self.resolutions
        inside = known[0] < space.resolutions[0] < known[-1]
        method = interpolate if inside else extrapolate
        found = method(space, known, lambda x, r: self.layer(x, r, n_classes))
        keys = {layer: self._content.dialect.key(layer, n_classes) for layer in found}
        entries = {key: found[layer] for layer, key in keys.items() if key is not None}
        return TableSection(space.resolutions, entries)

    @checked
    def require(self, space: SearchSpace) -> None:
        """Refuse a space that the table was not measured for.

        Raises:
            FamilyMismatchError: If it was measured for another family or, if it does not name
                one, for another architecture or width.
            InvalidArgumentError: If a resolution is not in the table and cannot be interpolated.
        """
        dialect, family = self._content.dialect, space.family
        if self.family is not None:
            require_family(self.family, family, "hardware", "this table", "in the table")
        if family.architecture not in dialect.architectures:
            raise FamilyMismatchError(
                f"`hardware` must be a latency table for {family.name}, but this one is for "
                f"{'/'.join(dialect.architectures)}."
            )
        unknown = sorted(set(space.resolutions) - set(self.covered(space.resolutions)))
        if unknown:
            raise InvalidArgumentError(
                f"`resolution` must be one that the table has, {self.resolutions}, but the "
                f"space has {unknown} too; use `space.restrict(resolution=...)`."
            )
        self._require_width(family)

    def _require_width(self, family: Family) -> None:
        r = self.resolutions[0]
        stem = family.stem.conv_channels[0]
        source = f"{self._content.dialect.stem_type}-input:{r}x{r}x{family.in_channels}"
        pattern = re.compile(rf"{source}-output:\d+x\d+x(\d+)")
        found = map(pattern.fullmatch, self._section(r).entries)
        channels = sorted({int(match[1]) for match in found if match})
        if self.dialect != "layers" and stem not in channels:
            raise FamilyMismatchError(
                f"`hardware` must be a latency table for {family.name}, whose first convolution "
                f"has {stem} channels, but this one has {channels}: another width."
            )


def _comparable(content: TableContent) -> tuple[Any, ...]:
    """Return the content with None for unknown numbers, because NaN differs from itself."""
    sections = [
        (s.resolutions, {k: [x if x == x else None for x in e] for k, e in s.entries.items()})
        for s in content.sections
    ]
    return content.dialect, content.metadata, content.family, sections


def _missing(key: str, section: TableSection) -> MissingEntryError:
    nearest = difflib.get_close_matches(key, section.entries, n=3, cutoff=0)
    return MissingEntryError(
        f"The latency table has no entry {key!r}; the nearest are {', '.join(nearest)}."
    )
