"""Points of fronts, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from optuna_ofa.fronts import Front, FrontPoint
    from optuna_ofa.problem import Kind
    from optuna_ofa.studies import SubnetStudy


def evenly_spaced(front: Front, n: int) -> list[FrontPoint]:
    """Return at most ``n`` points from one end of a front to the other; 0 for all."""
    from optuna_ofa.fronts import evenly

    return [front[i] for i in evenly(len(front), n if n > 0 else len(front))]


def lines(points: Sequence[FrontPoint], front: Front) -> str:
    """Return points of a front for people, one per line, with a footnote about the front."""
    from optuna_ofa.fronts import extrapolation_note, points_in_words

    note = extrapolation_note(front)
    return "\n".join([*(f"  {words}" for words in points_in_words(points)), *([note] * bool(note))])


def where(study: SubnetStudy, storage: str) -> str:
    """Return where a study is kept and how many trials it has, for people."""
    from optuna_ofa._urls import shown_url

    n = len(study.results(kind="predicted").numbers) + len(study.results(kind="measured").numbers)
    return f"study {study.study_name} in {shown_url(storage)}: {n:,} trials"


def front_data(
    study: SubnetStudy, front: Front, points: Sequence[FrontPoint], storage: str
) -> dict[str, Any]:
    """Return a front for machines; `search` and `front` print the same keys.

    Args:
        study: The study.
        front: Its front.
        points: The points that are printed, all of them or some.
        storage: The URL of its storage.
    """
    from optuna_ofa._urls import shown_url

    problem = study.problem
    return {
        "study": study.study_name,
        "storage": shown_url(storage),
        "supernet": problem.space.name,
        "objectives": list(problem.objectives),
        "constraints": dict(problem.constraints),
        "board": None if problem.board is None else problem.board.name,
        "kind": front.kind,
        "n_trials": len(study.results(kind=cast("Kind", front.kind)).numbers),
        "n_points": len(front),
        "points": [_point_data(point) for point in points],
    }


def _point_data(point: FrontPoint) -> dict[str, Any]:
    return {
        "values": dict(point.values),
        "std": dict(point.std),
        "n_images": dict(point.n_images),
        "kind": point.kind,
        "extrapolated": None if point.extrapolated is None else list(point.extrapolated),
        "trial_number": point.trial_number,
        "subnet": point.subnet.to_dict(),
    }
