"""Downloads of published files by name, each checked against its digest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pooch
from platformdirs import user_cache_dir

from optuna_ofa._arguments import checked
from optuna_ofa._digests import file_digest
from optuna_ofa._first_digest import require_first_content
from optuna_ofa._progress import progress_bar
from optuna_ofa._published import PUBLISHED, PublishedFile
from optuna_ofa.exceptions import DownloadError, InvalidArgumentError


@checked
def fetch(
    name: str, *, progress: bool | None = None, registry: Sequence[PublishedFile] = PUBLISHED
) -> Path:
    """Return the path of published tables, weights, predictors or data; download what is missing.

    Files live under the user's cache folder, or under ``OPTUNA_OFA_CACHE`` where that is set.
    With ``OPTUNA_OFA_OFFLINE=1`` only cached files are used. A cached file is checked again
    on every call. Nothing in the cache is deleted or replaced: a file that does not have the
    pinned digest is an error and is left in place, because it may be yours. A file that you put
    in its place is checked like a download.

    Most files are pinned by a SHA-256. For weights, except those of ``"ofa_resnet50"``, only the
    digest is known by which Git identifies them (``git_blob``, a SHA-1). The SHA-256 of such a file
    is written beside it on its first use (``NAME.sha256``), and compared on later ones.

    Weights of supernets are for `load_supernet`, which also takes these names. The networks
    ``"proxyless_cpu"``, ``"proxyless_gpu"``, ``"proxyless_mobile"`` and ``"proxyless_mobile_14"``
    are no supernets: this package only downloads them.

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
            cache or at its URL; the message has both digests), has changed since its first use,
            or is needed while ``OPTUNA_OFA_OFFLINE`` is set. The message says where to put a file
            that you download by other means.
    """
    wanted = {
        cache_folder() / file.name / file.file_name: file
        for file in registry
        if file.is_called(name)
    }
    if not wanted:
        names = ", ".join(dict.fromkeys(repr(file.name) for file in registry))
        raise InvalidArgumentError(
            f"`name` must be one of {names}, got {name!r}; pass any other file by its path"
        )
    _require_genuine({path: file for path, file in wanted.items() if os.path.lexists(path)})
    missing = {path: file for path, file in wanted.items() if not os.path.lexists(path)}
    shown = progress if missing else False
    if len(missing) == 1:
        _download(*next(iter(missing.items())), shown)
    else:
        files = missing.items()
        for path, file in progress_bar(name, shown, leave=True, iterable=files, unit="file"):
            _download(path, file, False)
    first = next(iter(wanted))
    return first.parent if len(wanted) > 1 else first


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
    found = {path: file_digest(path, file.digest_kind) for path, file in cached.items()}
    wrong = [path for path, file in cached.items() if found[path] != file.digest]
    if wrong:
        path = wrong[0]
        others = f" It is the first of {len(wrong)} such files." if len(wrong) > 1 else ""
        raise DownloadError(
            f"{path} is not the file that was published: expected {_digest(cached[path])}, got "
            f"{found[path]}. It is left as it is: move it away and call again to fetch "
            f"{cached[path].url}, or pass the path of your file instead of a name.{others}"
        )
    for path, file in cached.items():
        if file.digest_kind == "Git blob":
            require_first_content(path)


def _digest(file: PublishedFile) -> str:
    return f"{file.digest_kind} {file.digest}"


def _download(path: Path, file: PublishedFile, progress: bool | None) -> None:
    command = "git hash-object" if file.digest_kind == "Git blob" else "sha256sum"
    remedy = (
        "download it by other means and pass its path instead of a name, or put it at "
        f"{path}, where `{command}` must print the {_digest(file)}"
    )
    if _is_offline():
        raise DownloadError(
            f"{file.url} is needed but not at {path}, and OPTUNA_OFA_OFFLINE is set; {remedy}"
        )
    try:
        got = _download_if_genuine(path, file, progress)
    except DownloadError:
        raise
    except OSError as error:  # requests' errors are OSErrors too
        raise DownloadError(f"could not fetch {file.url}: {_reason(error)}; {remedy}") from error
    if got != file.digest:
        raise DownloadError(
            f"{file.url} is not the file that was published: "
            f"expected {_digest(file)}, got {got}; {remedy}"
        )


def _reason(error: OSError) -> str:
    """Return why a download failed, without the retries and the address around it."""
    cause = error.args[0] if error.args else None
    return str(getattr(cause, "reason", None) or error)


def _download_if_genuine(path: Path, file: PublishedFile, progress: bool | None) -> str:
    """Download the file, keep it if it is the published one, and return its digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Only a complete, checked file gets its final name: an interrupted download leaves nothing
    # behind, and two processes that fetch the same file do not interfere with each other.
    with tempfile.TemporaryDirectory(prefix="partial-", dir=path.parent.parent) as scratch:
        part = Path(scratch) / path.name
        _fetch_url(file, part, progress)
        got = file_digest(part, file.digest_kind)
        if not os.path.lexists(path) and got == file.digest:
            os.replace(part, path)
        if os.path.lexists(path):  # perhaps created in the meantime
            _require_genuine({path: file})
    return got


def _fetch_url(file: PublishedFile, part: Path, progress: bool | None) -> None:
    size = {"unit": "B", "unit_scale": True, "total": 1}  # the server says the total
    with progress_bar(file.file_name, progress, leave=True, **size) as bar:
        pooch.HTTPDownloader(progressbar=bar)(file.url, part, None)
