"""Weights that are pinned by Git's digest, against a server on this machine."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optuna_ofa import families
from optuna_ofa._digests import file_digest
from optuna_ofa._downloads import fetch
from optuna_ofa._published import PublishedFile, published
from optuna_ofa.exceptions import DownloadError, InvalidArgumentError

CONTENT = b"weights\0" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BLOB = hashlib.sha1(b"blob 800\0" + CONTENT).hexdigest()
WEIGHTS = [file for file in published() if file.kind in ("weights", "network")]


@pytest.fixture(autouse=True)
def cache(download_cache: Path) -> Path:
    return download_cache


@pytest.fixture
def path(cache: Path) -> Path:
    """The place of the file in the cache."""
    return cache / "net" / "net.pth"


@pytest.fixture
def server(file_server: Any) -> Any:
    (file_server.folder / "net.pth").write_bytes(CONTENT)
    return file_server


@pytest.fixture
def file(server: Any) -> PublishedFile:
    url = f"{server.address}/net.pth"
    return PublishedFile("net", url, "", "none stated", "", kind="weights", git_blob=BLOB)


def _note(path: Path) -> Path:
    return path.with_name("net.pth.sha256")


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_the_digest_is_that_of_git(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(CONTENT)
    assert file_digest(tmp_path / "net.pth", "Git blob") == BLOB
    (tmp_path / "empty").write_bytes(b"")  # as git prints it
    digest = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert file_digest(tmp_path / "empty", "Git blob") == digest
    git = subprocess.run(
        ["git", "hash-object", "net.pth"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert git.stdout.strip() == BLOB


@pytest.mark.parametrize("name", ["net", "net.pth"])
@pytest.mark.parametrize("place", ["net.pth", "moved/net.pth"])
def test_a_download_is_kept_with_its_sha256(
    file: PublishedFile, server: Any, path: Path, name: str, place: str
) -> None:
    registry = [replace(file, url=f"{server.address}/{place}")]
    assert fetch(name, registry=registry) == path
    assert path.read_bytes() == CONTENT
    assert _note(path).read_text() == f"{SHA256}  net.pth\n"
    assert sorted(p.name for p in path.parent.parent.iterdir()) == ["net"]
    server.requests.clear()
    assert fetch(name, registry=registry) == path
    assert server.requests == []


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("other.pth", rf"is not the file .*: expected Git blob {BLOB}, got [0-9a-f]{{40}}; "),
        ("half/net.pth", rf"is not the file .*: expected Git blob {BLOB}, got [0-9a-f]{{40}}; "),
        ("cut/net.pth", "could not fetch .*IncompleteRead.*"),
        ("absent/net.pth", "could not fetch .*404.*"),
    ],
)
def test_a_failed_download_says_what_to_do(
    file: PublishedFile, server: Any, cache: Path, place: str, words: str
) -> None:
    (server.folder / "other.pth").write_bytes(CONTENT[:-1] + b"?")
    url = f"{server.address}/{place}"
    at = cache / "net" / Path(place).name
    with pytest.raises(DownloadError, match=words) as caught:
        fetch("net", registry=[replace(file, url=url)])
    message = str(caught.value)
    assert url in message
    assert f"put it at {at}, where `git hash-object` must print the Git blob {BLOB}" in message
    assert not any(p.is_file() for p in cache.rglob("*"))


def test_offline_says_where_a_file_belongs(
    file: PublishedFile, server: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
    with pytest.raises(DownloadError, match=f"OFFLINE is set; .* put it at {path}, .* {BLOB}"):
        fetch("net", registry=[file])
    _put(path, CONTENT)
    assert fetch("net", registry=[file]) == path
    assert server.requests == []


def test_a_file_put_by_hand_is_checked_and_noted(
    file: PublishedFile, server: Any, path: Path
) -> None:
    _put(path, b"my own")
    with pytest.raises(DownloadError, match=f"{path} is not the file .* expected Git blob {BLOB}"):
        fetch("net", registry=[file])
    assert path.read_bytes() == b"my own"
    assert not _note(path).exists()
    _put(path, CONTENT)
    assert fetch("net", registry=[file]) == path
    assert _note(path).read_text().startswith(SHA256)
    assert server.requests == []


def test_a_file_that_changes_in_the_cache_is_refused(file: PublishedFile, path: Path) -> None:
    fetch("net", registry=[file])
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(DownloadError, match=f"expected Git blob {BLOB}, got"):
        fetch("net", registry=[file])
    assert path.read_bytes() == CONTENT[::-1]


def test_another_content_of_the_same_git_digest_is_refused(file: PublishedFile, path: Path) -> None:
    fetch("net", registry=[file])
    other = b"as if its SHA-1 were the same"
    path.write_bytes(other)
    blob = file_digest(path, "Git blob")
    with pytest.raises(DownloadError, match="must have the SHA-256 of its first use") as caught:
        fetch("net", registry=[replace(file, git_blob=blob)])
    assert f"{_note(path)} gives as {SHA256}, but has {hashlib.sha256(other).hexdigest()}" in str(
        caught.value
    )
    assert path.read_bytes() == other


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"x" * 5000, None], ids=["empty", "no text", "long", "folder"]
)
def test_a_damaged_note_is_refused(file: PublishedFile, path: Path, content: bytes | None) -> None:
    fetch("net", registry=[file])
    _note(path).unlink()
    _note(path).mkdir() if content is None else _note(path).write_bytes(content)
    with pytest.raises(DownloadError, match=r"net\.pth\.sha256"):
        fetch("net", registry=[file])


def test_a_folder_that_cannot_be_written_to_is_enough(
    file: PublishedFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(files: object) -> None:
        raise PermissionError("read-only")

    _put(path, CONTENT)
    monkeypatch.setattr("optuna_ofa._first_digest.write_whole", refuse)
    assert fetch("net", registry=[file]) == path


def test_an_interrupted_download_leaves_nothing(
    file: PublishedFile, cache: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: object, url: str, part: Path, pooch: object) -> None:
        part.write_bytes(CONTENT[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pooch.HTTPDownloader.__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch("net", registry=[file])
    assert not any(p.is_file() for p in cache.rglob("*"))
    assert fetch("net", registry=[file]) == path


def test_simultaneous_downloads_agree(file: PublishedFile, path: Path) -> None:
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch("net", registry=[file])))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [path] * 4
    assert sorted(p.name for p in path.parent.iterdir()) == ["net.pth", "net.pth.sha256"]


def test_progress_counts_bytes(file: PublishedFile, capfd: pytest.CaptureFixture[str]) -> None:
    fetch("net", registry=[file], progress=True)
    assert "net.pth: 100%" in capfd.readouterr().err


class TestOffered:
    def test_supernets_have_weights_by_name(self) -> None:
        names = {file.name for file in WEIGHTS if file.name in file.supernets}
        assert names == {family.name for family in families()}

    def test_each_is_another_file(self) -> None:
        assert len({file.digest for file in WEIGHTS}) == len({f.url for f in WEIGHTS}) == 13

    def test_the_licence_is_said(self) -> None:
        assert {file.licence for file in WEIGHTS} == {"none stated"}

    def test_only_networks_are_of_no_supernet(self) -> None:
        assert all((file.kind == "network") == (not file.supernets) for file in WEIGHTS)

    def test_an_unknown_name_is_refused_with_the_names(self) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`name` must be one of .*'ofa_D4_E6_K7'"):
            fetch("ofa_D4_E6_K5")
