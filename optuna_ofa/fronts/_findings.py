"""Several studies or fronts in one view: they need names and the same objectives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError

if TYPE_CHECKING:
    from optuna_ofa.problem import Kind
    from optuna_ofa.studies import SubnetStudy


def same_objectives(name: str, objectives: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The objectives that all have, in the order of the first.

    Args:
        name: The argument, for the message.
        objectives: Names of the objectives of each.

    Raises:
        InvalidArgumentError: If there is none, or they differ.
    """
    if not objectives:
        raise InvalidArgumentError(f"`{name}` must have at least one entry, but got none.")
    first, *others = objectives
    for other in others:
        if set(objectives[other]) != set(objectives[first]):
            raise InvalidArgumentError(
                f"`{name}` must have the same objectives, but {first!r} has "
                f"{', '.join(objectives[first])} and {other!r} {', '.join(objectives[other])}."
            )
    return objectives[first]


def named_studies(
    studies: SubnetStudy | Mapping[str, SubnetStudy], kind: Kind | None
) -> tuple[dict[str, SubnetStudy], tuple[str, ...]]:
    """Studies by name, and their objectives in the order of the first.

    Raises:
        EmptyFrontError: If one has no feasible trial.
        InvalidArgumentError: If the objectives differ.
    """
    by_name = dict(studies) if isinstance(studies, Mapping) else {studies.study_name: studies}
    all_objectives = {name: study.problem.objectives for name, study in by_name.items()}
    objectives = same_objectives("studies", all_objectives)
    for name, study in by_name.items():
        if not study.results(kind=kind).feasible.any():
            raise EmptyFrontError(f"The study {name!r} has no feasible trial.")
    return by_name, objectives
