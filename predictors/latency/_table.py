"""Layer-wise latency: a look-up table of measured layers."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna_ofa._arguments import AnyPath, OutputFile, Positive, PositiveFloat, Text, checked
from optuna_ofa._parsing import MAX_MB
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import (
    ExtrapolationWarning,
    FamilyMismatchError,
    ImplausibleValueWarning,
    InvalidArgumentError,
    MissingEntryError,
)
from optuna_ofa.predictors.latency._conditions import Conditions
from optuna_ofa.predictors.latency._dialects import LAYERS, Shape
from optuna_ofa.predictors.latency._doubts import doubts
from optuna_ofa.predictors.latency._entries import Entry, TableSection
from optuna_ofa.predictors.latency._extrapolation import extrapolate
from optuna_ofa.predictors.latency._interpolation import LINEAR_IN_AREA, interpolate
from optuna_ofa.predictors.latency._measured_layers import keyed_entries
from optuna_ofa.predictors.latency._query import block_fields, shape
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
            FormatError: If it is not a latency table, or files of a folder are of different
                devices, with the reason.

        Warns:
            ImplausibleValueWarning: See `check`.
        """
        table = cls(read_table(Path(path), max_mb))
        found = table.check()
        if found:
            warn(
                f"`path` must have latencies of one device, but {path} has {'; '.join(found)}. "
                f"Measure it again, or compare its predictions with measured networks.",
                ImplausibleValueWarning,
            )
        return table

    def check(self) -> tuple[str, ...]:
        """Return what is doubtful in the entries, in words; nothing for a good table.

        Doubtful are larger kernels that are over 5 % faster than smaller ones, or layers that are
        faster with 1.2 times the pixels or more, in a fifth of all pairs; and entries that are
        equal at two resolutions to the last digit.
        """
        return tuple(doubts(self._content.sections))

    @classmethod
    @checked
    def from_measurements(
        cls,
        *,
        family: Family,
        resolutions: Sequence[Positive],
        latencies: Mapping[Layer, Entry | float],
        metadata: Mapping[str, Any] | None = None,
    ) -> LatencyTable:
        """Make a table from layers that you measured.

        Args:
            family: The family that the layers belong to.
            resolutions: Input sizes of the networks in pixels.
            latencies: Mean, standard deviation (ms) and number of runs of each layer, or its mean
                alone in milliseconds.
            metadata: Facts about the measurement (JSON): ``processor``, ``runtime``, ``versions``,
                ``settings``, ``date`` and others. Verifications compare them with the conditions
                of measurements.

        Raises:
            InvalidArgumentError: If a mean or standard deviation is not finite, or negative, or two
                layers have one key.
        """
        entries = keyed_entries(latencies, family.head.n_classes)
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
    def query(
        self,
        l_type: Text,
        input_shape: Shape | str,
        output_shape: Shape | str,
        expand: float | None = None,
        ks: int | None = None,
        stride: int | None = None,
        id_skip: int | None = None,
        se: int | None = None,
        h_swish: int | None = None,
        *,
        resolution: Positive | None = None,
    ) -> Entry:
        """Return an entry by the fields of its key, like the estimators of ProxylessNAS and OFA.

        Args:
            l_type: Type of the layer in the dialect: ``Conv``, ``expanded_conv``, ``MBConv``, ….
            input_shape: Height, width and channels, or the text of the key: ``"112x112x16"``.
            output_shape: The same of the output; of a classifier the number of classes.
            expand: Of blocks: the expand ratio, or the middle channels in the dialect ``ofa``.
            ks: Kernel size.
            stride: Stride.
            id_skip: 1 if the input is added to the output, else 0.
            se: 1 with squeeze-and-excitation, where the dialect has it.
            h_swish: 1 with h-swish, where the dialect has it.
            resolution: Input size of the network, where sections have different entries.

        Raises:
            InvalidArgumentError: If a field is missing, or several resolutions have the entry.
            MissingEntryError: With the key, and the nearest keys that exist.
        """
        dialect = self._content.dialect
        given = {"expand": expand, "kernel": ks, "stride": stride, "idskip": id_skip}
        given |= {"se": se, "hs": h_swish}
        fields = block_fields(dialect, given) if l_type == dialect.layer_types["block"] else {}
        key = dialect.join(l_type, shape(input_shape), shape(output_shape), fields)
        sections = self._content.sections if resolution is None else [self._section(resolution)]
        found = [s for s in sections if key in s.entries]
        if not found:
            raise MissingEntryError(
                f"`l_type`, `input_shape`, `output_shape` and the other fields must be those of an "
                f"entry. {_missing(key, *sections)}"
            )
        if len({s.entries[key].mean_ms for s in found}) > 1:
            sizes = [r for s in found for r in s.resolutions]
            raise InvalidArgumentError(
                f"`resolution` must be given for {key!r}, which has entries at {sizes}, but got "
                f"{resolution}."
            )
        return found[0].entries[key]

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


def _missing(key: str, *sections: TableSection) -> MissingEntryError:
    known = dict.fromkeys(key for section in sections for key in section.entries)
    nearest = difflib.get_close_matches(key, known, n=3, cutoff=0)
    return MissingEntryError(
        f"The latency table has no entry {key!r}; the nearest are {', '.join(nearest)}."
    )
