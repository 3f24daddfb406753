"""Progressive shrinking: from the largest net to smaller and smaller ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from optuna_ofa._arguments import NonNegativeFloat, Positive, PositiveFloat, Share, check_fields
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Gene, SearchSpace, Subnet
from optuna_ofa.supernet import Supernet
from optuna_ofa.training._recipe import (
    Phase,
    Recipe,
    Run,
    draw_resolution,
    draw_subnets,
    with_resolution,
)
from optuna_ofa.training._sort_channels import sort_channels

LARGEST = "largest"
# in the order in which they become elastic; the resolution is elastic from the start
ELASTIC_KINDS = ("kernel", "depth", "expand", "width")
# epochs and learning rates as published; those of the largest net are 180 and 2.6
EPOCHS = {
    LARGEST: 180,
    "kernel": 120,
    "depth 1": 25,
    "depth 2": 120,
    "expand 1": 25,
    "expand 2": 120,
    "width 1": 25,
    "width 2": 120,
}
RATES = {
    LARGEST: 1.0,
    "kernel": 0.37,
    "depth 1": 0.031,
    "depth 2": 0.092,
    "expand 1": 0.031,
    "expand 2": 0.092,
    "width 1": 0.031,
    "width 2": 0.092,
}
N_SUBNETS = {"kernel": 1, "depth": 2, "expand": 4, "width": 4}


class _Shrinking(NamedTuple):
    """A phase: the kind of genes that becomes elastic, and the number of their choices."""

    name: str
    kind: str = ""
    n_choices: int | None = None


@dataclass(frozen=True, kw_only=True)
class ProgressiveShrinking(Recipe):
    """Train the largest net, then let kernel, depth and width shrink (Cai et al., 2020).

    The resolution is elastic throughout, one for all subnets of a step. Kernels become elastic
    in one phase; depths, expand ratios and (ResNet50D) widths in two each: the second largest
    choice first, then all. Kinds that a family cannot vary have no phase, and two choices need
    only one. Before each phase of expand ratios, the middle channels of blocks are sorted by
    importance, within the groups in use (not where widths have their own projections, which depend
    on the order). From the second phase on, subnets learn from the labels
    and from the probabilities of the largest net as it was at the end of the first phase.

    The channels of ResNet50D's stages (its widths) are not sorted.

    Args:
        n_steps: Steps of the optimiser in all phases.
        learning_rate: The peak learning rate of the first phase.
        shares: Lengths of phases relative to each other, by name (``"largest"``, ``"kernel"``,
            ``"depth 1"``, ``"depth 2"``, ``"expand 1"``, ...); the defaults are as published.
            0 skips a phase: with ``{"largest": 0}`` the largest net is used as it is.
        rates: Peak learning rates of phases relative to ``learning_rate``, by name; the defaults
            are as published, for training of hundreds of epochs.
        n_subnets: Subnets per step while a kind is becoming elastic, by kind.
        soft_ratio: Weight of the largest net's probabilities; that of the labels is 1.
        warmup: Share of the first phase in which the learning rate rises.

    Raises:
        InvalidArgumentError: If a number is out of range, or a name is unknown.
    """

    n_steps: Positive
    learning_rate: PositiveFloat = 0.05
    shares: Mapping[str, NonNegativeFloat] = field(default_factory=dict)
    rates: Mapping[str, NonNegativeFloat] = field(default_factory=dict)
    n_subnets: Mapping[str, Positive] = field(default_factory=dict)
    soft_ratio: NonNegativeFloat = 1.0
    warmup: Share = 0.05

    def __post_init__(self) -> None:
        check_fields(self)
        for argument, values, known in (
            ("shares", self.shares, EPOCHS),
            ("rates", self.rates, RATES),
            ("n_subnets", self.n_subnets, N_SUBNETS),
        ):
            unknown = [name for name in values if name not in known]
            if unknown:
                raise InvalidArgumentError(
                    f"`{argument}` must be of {', '.join(known)}, but got {unknown[0]!r}."
                )

    def phases(self, space: SearchSpace) -> Sequence[Phase]:
        """Return the phases required by the space.

        Raises:
            InvalidArgumentError: If there are fewer steps than phases.
        """
        names = [shrinking.name for shrinking in self._shrinkings(space)]
        if not names:
            raise InvalidArgumentError(
                f"`shares` must leave a phase for the space, but got {self.shares}."
            )
        shares = np.cumsum([0.0, *({**EPOCHS, **self.shares}[name] for name in names)])
        ends = np.round(self.n_steps * shares / shares[-1]).astype(int)
        rates = {**RATES, **self.rates}
        phases: list[Phase] = []
        for name, n in zip(names, np.diff(ends).tolist(), strict=True):
            warmup = int(n * self.warmup) if not phases else 0
            if n < 1:
                raise InvalidArgumentError(
                    f"`n_steps` must be enough for a step in each of {', '.join(names)}, but got "
                    f"{self.n_steps}."
                )
            phases.append(Phase(name, n, self.learning_rate * rates[name], warmup))
        return phases

    def runs(self, space: SearchSpace, phase: int, rng: np.random.Generator) -> Sequence[Run]:
        """Draw random subnets of the choices that are elastic in the phase, at one resolution."""
        shrinkings = self._shrinkings(space)
        _, kind, _ = shrinkings[phase]
        resolution = draw_resolution(space, rng)
        if not kind:
            return [Run(with_resolution(space.largest(), resolution))]
        n = {**N_SUBNETS, **self.n_subnets}[kind]
        subnets = draw_subnets(_elastic(space, shrinkings[: phase + 1]), n, rng)
        return [
            Run(with_resolution(subnet, resolution), 1.0, self.soft_ratio, "frozen")
            for subnet in subnets
        ]

    def enter(self, space: SearchSpace, phase: int, supernet: Supernet) -> Subnet | None:
        """Freeze the largest net once it is trained; sort channels before they shrink."""
        shrinkings = self._shrinkings(space)
        first = next((i for i, s in enumerate(shrinkings) if s.kind), len(shrinkings))
        # freeze first: the order of channels does not matter for the largest net
        if shrinkings[phase].kind == "expand" and not supernet.own_projections:
            before = _elastic(space, shrinkings[:phase])
            standing = {
                gene.value(choice)
                for gene in space.genes
                if gene.kind == "expand"
                for choice in before.choices[gene.name]
            }
            sort_channels(supernet, standing=standing)
        return space.largest() if phase == first else None

    def _shrinkings(self, space: SearchSpace) -> list[_Shrinking]:
        found = [_Shrinking(LARGEST)]
        for kind in ELASTIC_KINDS:
            n = max((len(space.choices[gene.name]) for gene in _of_kind(space, kind)), default=1)
            if kind == "kernel" and n > 1:
                found.append(_Shrinking(kind, kind))
            elif n > 1:
                steps = [2, None] if n > 2 else [None]
                first = 3 - len(steps)
                found += [_Shrinking(f"{kind} {first + i}", kind, m) for i, m in enumerate(steps)]
        return [s for s in found if {**EPOCHS, **self.shares}[s.name] > 0]


def _of_kind(space: SearchSpace, kind: str) -> list[Gene]:
    return [gene for gene in space.genes if gene.kind == kind]


def _elastic(space: SearchSpace, shrinkings: Sequence[_Shrinking]) -> SearchSpace:
    """Return the space in which only elastic kinds vary."""
    # kinds that are skipped or become elastic later stay at their largest choice
    n_choices: dict[str, int | None] = dict.fromkeys(ELASTIC_KINDS, 1)
    n_choices |= {s.kind: s.n_choices for s in shrinkings if s.kind}
    kept = {}
    for kind, n in n_choices.items():
        for gene in _of_kind(space, kind):
            choices = space.choices[gene.name]
            largest = choices if n is None else choices[-n:]
            kept[gene.name] = [gene.value(choice) for choice in largest]
    return space.restrict(parameters=kept)
