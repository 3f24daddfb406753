"""Fetching by name, against a server on this machine."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pooch
import pytest

from optuna_ofa._downloads import cache_folder, fetch
from optuna_ofa._published import PublishedFile, published
from optuna_ofa.exceptions import DownloadError, InvalidArgumentError

FileServer = Any  # of tests/conftest.py
Registry = tuple[PublishedFile, ...]
CONTENT = {"table.yaml": b"mean: 1.0\n", "160.yaml": b"160\n", "224.yaml": b"224\n"}


@pytest.fixture
def server(file_server: FileServer) -> FileServer:
    for name, content in CONTENT.items():
        (file_server.folder / name).write_bytes(content)
    return file_server


@pytest.fixture
def registry(server: FileServer) -> Registry:
    address = server.address
    genuine = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    return (
        PublishedFile("table", f"{address}/table.yaml", genuine["table.yaml"], "MIT", ""),
        PublishedFile("several", f"{address}/160.yaml", genuine["160.yaml"], "MIT", ""),
        PublishedFile("several", f"{address}/224.yaml", genuine["224.yaml"], "MIT", ""),
        PublishedFile("altered", f"{address}/table.yaml", "0" * 64, "MIT", ""),
        PublishedFile("absent", f"{address}/absent.yaml", "0" * 64, "MIT", ""),
        PublishedFile("cut", f"{address}/cut/cut.yaml", "0" * 64, "MIT", ""),
        PublishedFile("nowhere", "http://127.0.0.1:9/nowhere.yaml", "0" * 64, "MIT", ""),
    )


@pytest.fixture(autouse=True)
def cache(download_cache: Path) -> Path:
    return download_cache


def files_under(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_single_file_is_returned_as_a_file(registry: Registry, cache: Path) -> None:
    path = fetch("table", registry=registry)
    assert path == cache / "table" / "table.yaml"
    assert path.read_bytes() == CONTENT["table.yaml"]


def test_several_files_are_returned_as_their_folder(registry: Registry, cache: Path) -> None:
    assert fetch("several", registry=registry) == cache / "several"
    assert files_under(cache / "several") == ["160.yaml", "224.yaml"]


def test_nothing_else_is_left_in_the_cache(registry: Registry, cache: Path) -> None:
    fetch("several", registry=registry)
    assert [path.name for path in cache.iterdir()] == ["several"]


def test_a_cached_file_is_not_asked_for_again(registry: Registry, server: FileServer) -> None:
    fetch("table", registry=registry)
    fetch("table", registry=registry)
    assert server.requests == ["/table.yaml"]


def test_only_what_is_missing_of_a_folder_is_fetched(
    registry: Registry, server: FileServer
) -> None:
    (fetch("several", registry=registry) / "160.yaml").unlink()
    server.requests.clear()
    fetch("several", registry=registry)
    assert server.requests == ["/160.yaml"]


def _put(path: Path, content: bytes = b"my own") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["table", "altered", "absent", "nowhere"])
@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_cached_file_that_is_another_is_named_and_left(
    registry: Registry,
    server: FileServer,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    offline: str,
) -> None:
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", offline)
    (file,) = (file for file in registry if file.name == name)
    path = _put(cache / name / file.file_name)
    got = hashlib.sha256(b"my own").hexdigest()
    with pytest.raises(
        DownloadError, match=f"{path} is not the .* expected SHA-256 {file.sha256}, got {got}"
    ) as caught:
        fetch(name, registry=registry)
    assert path.read_bytes() == b"my own"
    assert "could not fetch" not in str(caught.value)
    assert "OPTUNA_OFA_OFFLINE" not in str(caught.value)
    assert server.requests == []


def test_a_file_that_is_moved_away_is_fetched(registry: Registry, cache: Path) -> None:
    path = _put(cache / "table" / "table.yaml")
    path.rename(path.with_name("mine.yaml"))
    assert fetch("table", registry=registry).read_bytes() == CONTENT["table.yaml"]
    assert path.with_name("mine.yaml").read_bytes() == b"my own"


def test_all_of_several_that_are_others_are_counted_and_left(
    registry: Registry, cache: Path
) -> None:
    paths = [_put(cache / "several" / name) for name in ("160.yaml", "224.yaml")]
    with pytest.raises(DownloadError, match=r"160.yaml is not .* the first of 2 such files"):
        fetch("several", registry=registry)
    assert all(path.read_bytes() == b"my own" for path in paths)


def test_nothing_is_fetched_beside_a_file_that_is_another(
    registry: Registry, server: FileServer, cache: Path
) -> None:
    _put(cache / "several" / "224.yaml")
    with pytest.raises(DownloadError, match=r"224\.yaml is not the file"):
        fetch("several", registry=registry)
    assert server.requests == []


@pytest.mark.parametrize("kind", ["folder", "link to nothing"])
def test_what_is_no_file_is_named_and_left(registry: Registry, cache: Path, kind: str) -> None:
    path = cache / "table" / "table.yaml"
    path.parent.mkdir(parents=True)
    if kind == "folder":
        _put(path / "mine")
        reason = "Is a directory"
    else:
        path.symlink_to("nowhere")
        reason = "No such file or directory"
    with pytest.raises(DownloadError, match=f"{path} is not the file .*, got {reason}"):
        fetch("table", registry=registry)
    assert (path / "mine").read_bytes() == b"my own" if kind == "folder" else path.is_symlink()


@pytest.mark.parametrize("content", [b"my own", CONTENT["table.yaml"]], ids=["other", "genuine"])
def test_a_file_that_appears_during_a_download_is_left(
    registry: Registry, cache: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    path = cache / "table" / "table.yaml"
    download = pooch.HTTPDownloader.__call__

    def meanwhile(self: object, *arguments: object) -> None:
        download(self, *arguments)
        _put(path, content)

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", meanwhile)
    if content == CONTENT["table.yaml"]:
        assert fetch("table", registry=registry) == path
    else:
        with pytest.raises(DownloadError, match=f"{path} is not the file that was published"):
            fetch("table", registry=registry)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("absent", r"could not fetch http://127.0.0.1:\d+/absent.yaml: 404", id="404"),
        pytest.param("cut", r"could not fetch http://.*/cut.yaml: .*IncompleteRead", id="cut-off"),
        pytest.param("nowhere", r"http://127.0.0.1:9/nowhere.yaml: .*refused", id="no-server"),
        pytest.param(
            "altered",
            f"expected SHA-256 {'0' * 64}, got {hashlib.sha256(CONTENT['table.yaml']).hexdigest()}",
            id="checksum",
        ),
    ],
)
class TestFailure:
    def test_names_the_address_and_the_reason(
        self, registry: Registry, name: str, message: str
    ) -> None:
        with pytest.raises(DownloadError, match=message):
            fetch(name, registry=registry)

    def test_says_what_to_do_without_the_network(
        self, registry: Registry, name: str, message: str
    ) -> None:
        with pytest.raises(DownloadError, match="pass its path instead of a name"):
            fetch(name, registry=registry)

    def test_leaves_no_file_in_the_cache(
        self, registry: Registry, cache: Path, name: str, message: str
    ) -> None:
        with pytest.raises(DownloadError, match=message):
            fetch(name, registry=registry)
        assert files_under(cache) == []


def test_an_unwritable_cache_is_a_download_error(registry: Registry, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="Not a directory"):
        fetch("table", registry=registry)


def test_offline_uses_the_cache(
    registry: Registry, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch("table", registry=registry)
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
    assert fetch("table", registry=registry) == path
    assert server.requests == ["/table.yaml"]


def test_offline_refuses_what_is_not_cached(
    registry: Registry, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
    with pytest.raises(DownloadError, match="OPTUNA_OFA_OFFLINE is set"):
        fetch("table", registry=registry)
    assert server.requests == []


def test_offline_switch_of_0_is_online(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "0")
    assert fetch("table", registry=registry).is_file()


def test_an_unclear_offline_switch_is_refused(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "true")
    with pytest.raises(InvalidArgumentError, match="`OPTUNA_OFA_OFFLINE` must be 0 or 1, got"):
        fetch("table", registry=registry)


@pytest.mark.parametrize("name", ["note11", "ofa_mbv3_w1.1", "160_lookup_table.yaml", ""])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`name` must be one of 'note10'.*got '{name}'"):
        fetch(name)


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_progress_goes_to_stderr(
    registry: Registry, capfd: pytest.CaptureFixture[str], progress: bool | None, shown: bool
) -> None:
    fetch("several", progress=progress, registry=registry)
    captured = capfd.readouterr()
    assert ("2/2" in captured.err) == shown
    assert captured.out == ""


def test_the_default_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPTUNA_OFA_CACHE")
    assert cache_folder().name == "optuna_ofa"


@pytest.mark.parametrize("file", published(), ids=lambda file: file.file_name)
def test_a_published_file_is_pinned(file: PublishedFile) -> None:
    assert len(bytes.fromhex(file.digest)) == {"SHA-256": 32, "Git blob": 20}[file.digest_kind]
    assert re.match(r"https://(raw|media)\.githubusercontent\.com/.*/[0-9a-f]{40}/", file.url)


SHARED_NAMES = {
    "i7-8700k": "i7-8700k_w1.0/i7-8700K_lut.yaml",
    "mobile_trim": "proxylessnas/mobile_trim.yaml",
    "ofa_mbv3_w1.2_accuracy": "ofa_mbv3_w1.2_acc_predictor.pth",
    "ofa_resnet50_accuracy": "ofa_resnet50_acc_predictor.pth",
}


# those of Fashion-MNIST are in tests/data/test_fashion_mnist.py
SHARED_FILES = [file for file in published() if file.kind in ("table", "accuracy")]


@pytest.mark.parametrize("file", SHARED_FILES, ids=lambda file: file.file_name)
def test_the_pinned_digest_is_that_of_the_real_file(file: PublishedFile, shared_data: Path) -> None:
    path = shared_data / SHARED_NAMES.get(file.name, f"note10_w1.2/{file.file_name}")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def test_note10_has_every_resolution() -> None:
    resolutions = [int(f.file_name.split("_")[0]) for f in published() if f.name == "note10"]
    assert resolutions == list(range(160, 225, 4))
