"""Which choices are left when a search space is restricted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space._family import Gene

Choices = Mapping[str, tuple[int, ...]]
Wanted = Iterable[float] | float


def as_list(values: Iterable[Any] | Any) -> list[Any]:
    """The values as a list; a single one is a list of one."""
    return list(values) if isinstance(values, Iterable) else [values]


def keep_kind(choices: Choices, genes: Sequence[Gene], kind: str, values: Wanted) -> Choices:
    """Keep ``values`` in all genes of one kind.

    Raises:
        InvalidArgumentError: If there is no such gene, or see `keep`.
    """
    of_kind = [gene for gene in genes if gene.kind == kind]
    if not of_kind:
        raise InvalidArgumentError(
            f"`{kind}` must be None, because the family has no elastic {kind}, but got {values!r}."
        )
    return keep(choices, of_kind, kind, values)


def keep_parameter(choices: Choices, genes: Sequence[Gene], name: str, values: Wanted) -> Choices:
    """Keep ``values`` in one gene.

    Raises:
        InvalidArgumentError: If there is no such gene, or see `keep`.
    """
    named = [gene for gene in genes if gene.name == name]
    if not named:
        raise InvalidArgumentError(
            f"`parameters` must have names of parameters such as "
            f"{', '.join(list(choices)[:3])}, but got {name!r}."
        )
    return keep(choices, named, name, values)


def keep(choices: Choices, genes: Sequence[Gene], argument: str, values: Wanted) -> Choices:
    """Keep ``values`` where a gene offers them; each must be offered somewhere.

    Raises:
        InvalidArgumentError: If a value is offered nowhere, or a gene is left without choices.
    """
    wanted = as_list(values)
    offered = sorted({gene.value(c) for gene in genes for c in choices[gene.name]})
    if not wanted or not all(any(abs(v - o) < 1e-6 for o in offered) for v in wanted):
        raise InvalidArgumentError(f"`{argument}` must be among {offered}, but got {wanted}.")
    left = dict(choices)
    for gene in genes:
        integers = {gene.integer(v) for v in wanted}
        left[gene.name] = tuple(c for c in choices[gene.name] if c in integers)
        if not left[gene.name]:
            raise InvalidArgumentError(
                f"`{argument}` leaves no choice for {gene.name!r}, which offers "
                f"{[gene.value(c) for c in choices[gene.name]]}, but got {wanted}."
            )
    return left
