"""Reading files: regular ones of a limited size only."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from optuna_ofa._files import read_bytes, read_json, read_text
from optuna_ofa.exceptions import FormatError


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)) * 4000)
    assert read_bytes(tmp_path / "a") == bytes(range(256)) * 4000
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read_bytes(str(tmp_path / "link"), max_mb=1.024) == bytes(range(256)) * 4000


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as one:
        os.chdir(path.parent)  # names of sockets are short
        one.bind(path.name)
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _loop(path: Path) -> Path:
    path.symlink_to(path)
    return path


def _in_a_file(path: Path) -> Path:
    path.touch()
    return path / "b"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (_pipe, "but .*a is a pipe or a device"),
        (_socket, "but it cannot be read"),
        (_folder, "but .*a is a folder"),
        (_loop, "but it cannot be read: .* symbolic links"),
        (_in_a_file, "but it cannot be read: .* Not a directory"),
        (lambda path: path, "but .*a does not exist"),
        (lambda path: path.with_name("b" * 300), "but it cannot be read: .* too long"),
        (lambda path: Path("a\0b"), "but it cannot be read: embedded null"),
        (lambda path: Path("a\ud800"), "but it cannot be read: .* surrogates"),
        (lambda path: Path("/dev/zero"), "but /dev/zero is a pipe or a device"),
        (lambda path: Path("/dev/tty"), "but "),
        (lambda path: Path("/proc/self/status"), "but /proc/self/status changes while it is read"),
    ],
)
def test_other_things_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path], match: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=f"`file` must be a file, {match}"):
        read_bytes(make(tmp_path / "a"), "file")


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with open(tmp_path / "a", "wb") as file:
        file.truncate(2**40)  # a sparse file
    match = r"`path` must be a file of at most 64 MB, but .*a is one of 1.1e\+06 MB"
    with pytest.raises(FormatError, match=match):
        read_json(tmp_path / "a")
    os.truncate(tmp_path / "a", 2_000_001)
    with pytest.raises(FormatError, match=r"of at most 2 MB \(`max_mb`\), but .* one of 2 MB"):
        read_bytes(tmp_path / "a", max_mb=2)
    assert len(read_bytes(tmp_path / "a", max_mb=2.1)) == 2_000_001


def test_text_begins_after_the_byte_order_mark_and_has_lines(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffä\r\nb\rc\n".encode())
    assert read_text(tmp_path / "a") == "ä\nb\nc\n"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\xff", "must be a text file in UTF-8, but {path} is not"),
        (b"\xed\xa0\x80", "must be a text file in UTF-8"),  # half of a surrogate pair
        ("ä".encode("utf-16"), "must be a text file in UTF-8"),
        (b"a\0b", "must be a text file, but {path} has null characters"),
    ],
)
def test_other_encodings_are_refused(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=match.format(path=re.escape(str(path)))):
        read_text(path)
