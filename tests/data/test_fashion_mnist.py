"""Fashion-MNIST: where it is read from, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

import optuna_ofa
from optuna_ofa import published
from optuna_ofa.data import _fashion_mnist, fashion_mnist
from optuna_ofa.data._fashion_mnist import parse_idx, unpacked
from optuna_ofa.exceptions import DownloadError, FormatError, InvalidArgumentError

FILES = {file.file_name: file for file in published() if file.name == "fashion_mnist"}


@pytest.fixture(scope="module")
def debian() -> Path:
    if not _fashion_mnist.DEBIAN.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    return _fashion_mnist.DEBIAN


@pytest.fixture
def no_debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No package, no network, and an empty cache, which is returned."""
    monkeypatch.setattr(_fashion_mnist, "DEBIAN", tmp_path / "none")
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
    monkeypatch.setenv("OPTUNA_OFA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fashion_mnist"


def as_published(path: Path) -> bytes:
    """Debian's file as its authors compressed it: their header has a date and the name."""
    seconds = 1504176627 if path.name.startswith("t10k") else 1504176606
    header = b"\x1f\x8b\x08\x08" + struct.pack("<I", seconds) + b"\x00\x03"
    return header + path.name.removesuffix(".gz").encode() + b"\x00" + path.read_bytes()[10:]


def test_images_are_normalised_over_the_training_set(debian: Path) -> None:
    train, test = fashion_mnist()
    images, labels = train.tensors
    assert (len(train), len(test)) == (60_000, 10_000)
    assert images.shape[1:] == (1, 28, 28)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert abs(float(images.double().mean())) < 1e-3
    assert abs(float(images.double().std()) - 1) < 1e-3
    assert labels.bincount().tolist() == [6_000] * 10
    assert test.tensors[1].bincount().tolist() == [1_000] * 10
    assert labels[:5].tolist() == [9, 0, 0, 3, 0]


@pytest.mark.parametrize("name", FILES)
def test_the_pinned_digests_are_those_of_the_published_files(name: str, debian: Path) -> None:
    assert hashlib.sha256(as_published(debian / name)).hexdigest() == FILES[name].sha256


def test_without_the_package_it_comes_from_the_cache(debian: Path, no_debian: Path) -> None:
    no_debian.mkdir(parents=True)
    for name in FILES:
        (no_debian / name).write_bytes(as_published(debian / name))
    assert len(fashion_mnist(progress=False).test) == 10_000


def test_decompressed_files_do_too(debian: Path, tmp_path: Path) -> None:
    for name in FILES:
        content = gzip.decompress((debian / name).read_bytes())
        (tmp_path / name.removesuffix(".gz")).write_bytes(content)
    assert len(fashion_mnist(tmp_path).train) == 60_000


def test_offline_names_the_file_the_address_and_the_package(no_debian: Path) -> None:
    with pytest.raises(DownloadError, match="dataset-fashion-mnist") as caught:
        fashion_mnist()
    assert "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist" in str(caught.value)
    assert str(no_debian / "train-images-idx3-ubyte.gz") in str(caught.value)
    assert "`root`" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="`root` must have the file train-images-idx3"):
        fashion_mnist(tmp_path)


def test_other_images_in_that_format_are_refused(tmp_path: Path) -> None:
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 28, 28)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(header + bytes(2 * 28 * 28))
    with pytest.raises(FormatError, match="`root` must hold Fashion-MNIST, but what is in"):
        fashion_mnist(tmp_path)


def test_idx_is_read_as_it_is_written(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4) + array.tobytes()
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content))
    np.testing.assert_array_equal(parse_idx(unpacked(path), path, 3), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "begins with none", id="empty"),
        pytest.param(bytes([0, 0, 8, 1, 0, 0, 0, 9]), "begin with the bytes 00 00 08 03", id="1d"),
        pytest.param(bytes([0, 0, 13, 3]) + bytes(12), "begins with 00 00 0d 03", id="floats"),
        pytest.param(bytes([0, 0, 8, 3, 0, 0]), "begin with the bytes", id="half-a-header"),
        pytest.param(
            bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 2, 2) + bytes(7),
            r"7 numbers where its shape \(2, 2, 2\) needs 8",
            id="cut-off",
        ),
        pytest.param(
            bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 2, 2) + bytes(9), "9 numbers", id="longer"
        ),
    ],
)
def test_bad_idx(content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_idx(content, Path("images"), 3)


@pytest.mark.parametrize("keep", [12, -9, -4], ids=["header", "data", "check"])
def test_a_compressed_file_that_is_cut_off(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(np.random.default_rng(0).bytes(1000))[:keep])
    with pytest.raises(FormatError, match=r"whole files, but .*a.gz is damaged"):
        unpacked(path)


def test_a_compressed_file_with_a_flipped_bit(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(np.random.default_rng(0).bytes(1000)))
    content[500] ^= 1
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="is damaged"):
        unpacked(path)


def test_it_is_no_latency_table() -> None:
    with pytest.raises(InvalidArgumentError, match="`hardware` must be"):
        optuna_ofa.study("ofa_mbv3_w1.0", hardware="fashion_mnist")
