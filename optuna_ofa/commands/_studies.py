"""Opening studies by name, and printing their points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna_ofa.commands._arguments import Arguments

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from optuna_ofa.fronts import Front, FrontPoint
    from optuna_ofa.studies import SubnetStudy


def open_study(arguments: Arguments) -> SubnetStudy:
    """Open a study that another command or a script made.

    Raises:
        InvalidArgumentError: If there is none of that name.
        StudyMismatchError: If it is no study of this package, or has other predictors.
    """
    import optuna

    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.storage import open_storage, storage_errors
    from optuna_ofa.studies import study

    quiet_optuna()
    name, store = arguments["study"], open_storage(arguments["storage"])
    with storage_errors(arguments["storage"]):
        names = optuna.get_all_study_names(store)
    if name not in names:
        known = ", ".join(names) or "nothing, because the storage is empty"
        raise InvalidArgumentError(f"`study` must be one of {known}, but got {name!r}.")
    return study(
        hardware=arguments["hardware"],
        accuracy=arguments["accuracy"],
        storage=store,
        study_name=name,
    )


def quiet_optuna() -> None:
    """Turn Optuna's log off but for warnings."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


def evenly_spaced(front: Front, n: int) -> list[FrontPoint]:
    """Return at most ``n`` points from one end of a front to the other; 0 gives all."""
    from optuna_ofa.fronts import evenly

    return [front[i] for i in evenly(len(front), n if n > 0 else len(front))]


def point_data(point: FrontPoint) -> dict[str, Any]:
    """Return a point for machines."""
    return {
        "values": dict(point.values),
        "std": dict(point.std),
        "kind": point.kind,
        "trial_number": point.trial_number,
        "subnet": point.subnet.to_dict(),
    }


def lines(points: Sequence[FrontPoint]) -> str:
    """Return points for people, one a line."""
    from optuna_ofa.fronts import points_in_words

    return "\n".join(f"  {words}" for words in points_in_words(points))


def require_picture(path: str | None) -> None:
    """Refuse a file that no picture can be saved to, before the work whose result it shows.

    Raises:
        InvalidArgumentError: If the path ends in something else, or nothing can be written there.
        MissingDependencyError: If an image is asked for and kaleido is not installed.
    """
    from optuna_ofa._imports import try_import
    from optuna_ofa._writing import require_place
    from optuna_ofa.exceptions import InvalidArgumentError

    if path is None:
        return
    ending = Path(path).suffix
    if ending not in (".html", ".png", ".svg", ".pdf"):
        raise InvalidArgumentError(
            f"`plot` must end in .html, .png, .svg or .pdf, but got {path!r}."
        )
    if ending != ".html":
        try_import("kaleido", extra="image").check()
    require_place(path, "plot")


def save(figure: go.Figure, path: str) -> None:
    """Save a picture as a page or an image, at a path that `require_picture` has passed."""
    from optuna_ofa._writing import write_whole

    place = Path(path)
    if place.suffix == ".html":
        content = figure.to_html().encode()
    else:
        content = figure.to_image(place.suffix[1:], width=1000, height=650, scale=2)
    write_whole({place: content})
