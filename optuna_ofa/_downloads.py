"""Downloads of published files by name, each checked against its SHA-256."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pooch
from platformdirs import user_cache_dir

from optuna_ofa._arguments import checked
from optuna_ofa._progress import progress_bar
from optuna_ofa._published import PUBLISHED, PublishedFile
from optuna_ofa.exceptions import DownloadError, InvalidArgumentError


@checked
def fetch(
    name: str, *, progress: bool | None = None, registry: Sequence[PublishedFile] = PUBLISHED
) -> Path:
    """Return the path of published tables, predictors or data; download what is not cached.

    Files live under the user's cache folder, or under ``OPTUNA_OFA_CACHE`` where that is set.
    With ``OPTUNA_OFA_OFFLINE=1`` only cached files are used. A cached file is checked again
    on every call. Nothing in the cache is deleted or replaced: a file that does not have the
    pinned SHA-256 is an error and is left in place, because it may be yours.

    Supernet checkpoints are not offered, since no SHA-256 is known for them: download
    one yourself and pass its path instead.

    Args:
        name: A ``name`` of :func:`published`, for example ``"note10"``.
        progress: Whether to show a progress bar; None shows it on a terminal only.
        registry: The files on offer; pass another table for a mirror or a test.

    Returns:
        The file, or the folder that holds all files of that name where there are several.

    Raises:
        InvalidArgumentError: No published file has that name, or ``OPTUNA_OFA_OFFLINE`` is
            neither 0 nor 1.
        DownloadError: A file could not be fetched, is not the one that was published (in the
            cache or at its URL; the message has both SHA-256 values), or is needed while
            ``OPTUNA_OFA_OFFLINE`` is set.
    """
    folder = cache_folder() / name
    wanted = {folder / file.file_name: file for file in registry if file.name == name}
    if not wanted:
        names = ", ".join(dict.fromkeys(repr(file.name) for file in registry))
        raise InvalidArgumentError(
            f"`name` must be one of {names}, got {name!r}; "
            "pass any other file, supernet checkpoints included, by its path"
        )
    _require_genuine({path: file for path, file in wanted.items() if os.path.lexists(path)})
    missing = {path: file for path, file in wanted.items() if not os.path.lexists(path)}
    shown = progress if missing else False
    files = missing.items()
    for path, file in progress_bar(name, shown, leave=True, iterable=files, unit="file"):
        _download(path, file)
    return folder if len(wanted) > 1 else next(iter(wanted))


def cache_folder() -> Path:
    """Return the cache folder: ``OPTUNA_OFA_CACHE``, or one in the user's cache folder."""
    return Path(os.environ.get("OPTUNA_OFA_CACHE") or user_cache_dir("optuna_ofa")).expanduser()


def _is_offline() -> bool:
    switch = os.environ.get("OPTUNA_OFA_OFFLINE", "")
    if switch not in ("", "0", "1"):  # "true" must not silently mean "go online"
        raise InvalidArgumentError(f"`OPTUNA_OFA_OFFLINE` must be 0 or 1, got {switch!r}")
    return switch == "1"


def _require_genuine(cached: Mapping[Path, PublishedFile]) -> None:
    """Refuse files in the cache that are not the published ones."""
    found = {path: _digest(path) for path in cached}
    wrong = [path for path, file in cached.items() if found[path] != file.sha256]
    if not wrong:
        return
    path = wrong[0]
    others = f" It is the first of {len(wrong)} such files." if len(wrong) > 1 else ""
    raise DownloadError(
        f"{path} is not the file that was published: expected SHA-256 {cached[path].sha256}, got "
        f"{found[path]}. It is left as it is: move it away and call again to fetch "
        f"{cached[path].url}, or pass the path of your file instead of a name.{others}"
    )


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, or the reason why it cannot be read."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        return "A pipe or a device"
    try:
        return str(pooch.file_hash(path, alg="sha256"))
    except OSError as error:  # a folder, a broken link, a file of another user
        return error.strerror or str(error)


def _download(path: Path, file: PublishedFile) -> None:
    remedy = f"download it by other means and pass its path instead of a name, or put it at {path}"
    if _is_offline():
        raise DownloadError(
            f"{file.url} is needed but not at {path}, and OPTUNA_OFA_OFFLINE is set; {remedy}"
        )
    try:
        got = _download_if_genuine(path, file)
    except OSError as error:  # requests' errors are OSErrors too
        raise DownloadError(f"could not fetch {file.url}: {error}; {remedy}") from error
    if got != file.sha256:
        raise DownloadError(
            f"{file.url} is not the file that was published: "
            f"expected SHA-256 {file.sha256}, got {got}; {remedy}"
        )


def _download_if_genuine(path: Path, file: PublishedFile) -> str:
    """Download the file, keep it if it is the published one, and return its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Only a complete, checked file gets its final name: an interrupted download leaves nothing
    # behind, and two processes that fetch the same file do not interfere with each other.
    with tempfile.TemporaryDirectory(prefix="partial-", dir=path.parent.parent) as scratch:
        part = Path(scratch) / path.name
        pooch.HTTPDownloader()(file.url, part, None)
        got = _digest(part)
        if os.path.lexists(path):  # created in the meantime
            _require_genuine({path: file})
        elif got == file.sha256:
            os.replace(part, path)
    return got
