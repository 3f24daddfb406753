"""Finding the family of pretrained weights among the known ones."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from optuna_ofa.exceptions import FamilyMismatchError
from optuna_ofa.pretrained._matching import Match, differences, matches


def recognise(state: Mapping[str, Tensor], where: str) -> Match:
    """Return the known family that the keys and shapes fit.

    Raises:
        FamilyMismatchError: If none fits, or if more than one does.
    """
    found = matches(state)
    fitting = [m for m in found if m.fits and not m.source.other_family(m.family)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(m.family.name for m in fitting)
        raise FamilyMismatchError(
            f"`family` must be given where several fit: {where} may be of {names}."
        )
    best = max(found, key=lambda m: m.n_fitting)
    raise FamilyMismatchError(
        f"`family` must be given where no known family fits, but got None; {where} is closest to "
        f"{best.family.name}, with the keys of {best.source.name}, but has {differences(best)}."
    )
