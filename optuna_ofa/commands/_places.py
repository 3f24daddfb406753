"""Checks of the files that a command will write, made before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

PICTURES = (".html", ".png", ".svg", ".pdf")
# File extensions by format; the extension of another format is a mistake.
_FORMATS = {
    "pytorch": ".safetensors",
    "torch_export": ".pt2",
    "onnx": ".onnx",
    "onnx_int8": ".onnx",
    "executorch": ".pte",
    "litert": ".tflite",
    "litert_int8": ".tflite",
    "c_array": ".h",
    "ofa": "",
}


def require_file(path: str | None, argument: str, endings: Sequence[str] = ()) -> None:
    """Refuse a file that cannot be written, or that has a different extension.

    Raises:
        InvalidArgumentError: With the argument.
    """
    from optuna_ofa._writing import require_place
    from optuna_ofa.exceptions import InvalidArgumentError

    if path is None:
        return
    if endings and Path(path).suffix not in endings:
        *first, last = endings
        known = f"{', '.join(first)} or {last}" if first else last
        raise InvalidArgumentError(f"`{argument}` must end in {known}, but got {path!r}.")
    require_place(path, argument)


def require_folder(path: str | None, argument: str) -> None:
    """Refuse a folder that cannot be created or written to.

    Raises:
        InvalidArgumentError: With the argument.
    """
    from optuna_ofa._writing import require_place

    if path is not None:
        require_place(path, argument, folder=True)


def require_database(url: str, argument: str) -> None:
    """Refuse an SQLite database that cannot be created.

    Raises:
        InvalidArgumentError: With the argument.
    """
    from optuna_ofa._writing import require_place
    from optuna_ofa.storage import sqlite_file

    file = sqlite_file(url)
    if file is not None:
        require_place(file, argument)


def require_export(path: str, format: str) -> None:
    """Refuse a file that cannot be written, or that has the extension of another format.

    Raises:
        InvalidArgumentError: With the argument.
    """
    from optuna_ofa.exceptions import InvalidArgumentError

    if format == "ofa":
        return require_folder(path, "out")
    ending, own = Path(path).suffix, _FORMATS[format]
    if ending and ending != own and ending in _FORMATS.values():
        raise InvalidArgumentError(f"`out` must end in {own} for {format}, but got {path!r}.")
    return require_file(path, "out")


def require_picture(path: str | None) -> None:
    """Refuse a file that no figure can be saved to, before any work.

    Raises:
        InvalidArgumentError: If the path has another extension, or cannot be written to.
        MissingDependencyError: If the file needs kaleido, or the browser that kaleido needs, and
            it is not installed.
    """
    require_file(path, "plot", PICTURES)
    if path is not None and Path(path).suffix != ".html":
        _require_browser(Path(path).suffix)


def _require_browser(ending: str) -> None:
    from optuna_ofa._imports import try_import
    from optuna_ofa.exceptions import MissingDependencyError

    try_import("kaleido", extra="image").check()
    browsers = try_import("choreographer.browsers.chromium", extra="image").check()
    if browsers.Chromium.find_browser(skip_local=False) is None:
        raise MissingDependencyError(
            f"`plot` needs Chrome or Chromium for {ending} files, and none is installed: "
            f"`plotly_get_chrome` installs it; .html files do not need it."
        )


def save(figure: go.Figure, path: str) -> None:
    """Save a figure as a page or an image, at a path that `require_picture` accepted."""
    from optuna_ofa._progress import stage
    from optuna_ofa._writing import write_whole

    place = Path(path)
    with stage(f"drawing {path}"):
        if place.suffix == ".html":
            content = figure.to_html().encode()
        else:
            content = figure.to_image(place.suffix[1:], width=1000, height=650, scale=2)
        write_whole({place: content})
