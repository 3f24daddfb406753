"""Torch files with tensors that no weights can be, and damaged archives of them."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from optuna_ofa import get_family, load_supernet
from optuna_ofa._tensors import MAX_DEPTH, parse_tensors
from optuna_ofa.data import packaged_supernet
from optuna_ofa.exceptions import FormatError, OptunaOFAError
from optuna_ofa.supernet import described

NET = packaged_supernet()
WEIGHT, VARIANCE = "classifier.linear.bias", "first_conv.bn.running_var"
COUNT = "first_conv.bn.num_batches_tracked"


def saved(content: Any, *, legacy: bool = False) -> bytes:
    memory = io.BytesIO()
    torch.save(content, memory, _use_new_zipfile_serialization=not legacy)
    return memory.getvalue()


def checkpoint(**changes: Any) -> dict[str, Any]:
    """A checkpoint with other entries in its state dict, whose dots are underscores."""
    state = NET.state_dict()
    return {**described(NET), "state_dict": {**state, **changes}}


def with_value(name: str, value: float) -> Tensor:
    tensor = NET.state_dict()[name].clone()
    tensor.flatten()[0] = value
    return tensor


BIAS = NET.state_dict()[WEIGHT]
FLAWS: dict[str, tuple[str, Callable[[], Any], str]] = {
    "nan": (WEIGHT, lambda: with_value(WEIGHT, np.nan), "has nan at"),
    "infinite": (WEIGHT, lambda: with_value(WEIGHT, -np.inf), "has -inf at"),
    "huge": (WEIGHT, lambda: with_value(WEIGHT, -1e30), r"has -1e\+30 at"),
    "huge in float64": (WEIGHT, lambda: BIAS.double() + 1e300, r"has 1e\+300 at"),
    "infinite in float16": (WEIGHT, lambda: (BIAS + 1e6).half(), "has inf at"),
    "variance": (VARIANCE, lambda: with_value(VARIANCE, -0.5), "has a negative variance .*: -0.5"),
    "count": (COUNT, lambda: torch.tensor(-1), "has a negative count .*: -1"),
    "complex": (WEIGHT, lambda: BIAS.to(torch.complex64), "has complex64"),
    "float8": (WEIGHT, lambda: BIAS.to(torch.float8_e4m3fn), "has float8|is cut off"),
    "sparse": (WEIGHT, BIAS.to_sparse, r"has float32 \(torch\.sparse_coo"),
    "meta": (WEIGHT, lambda: BIAS.to("meta"), r"has float32 \(.*meta\)"),
    "quantized": (
        WEIGHT,
        lambda: torch.quantize_per_tensor(BIAS, 0.1, 0, torch.qint8),
        "has qint8",
    ),
    "expanded": (WEIGHT, lambda: torch.zeros(1).expand(10**6, 10**6), "the same numbers several"),
    "overlapping": (
        WEIGHT,
        lambda: torch.zeros(1999).as_strided((1000, 1000), (1, 1)),
        "the same numbers several",
    ),
    "integers": (WEIGHT, lambda: BIAS.long(), r"of another type \(`classifier\.linear\.bias` has"),
    "fractions": (COUNT, lambda: torch.tensor(0.5), "of another type"),
    "booleans": (WEIGHT, lambda: BIAS > 0, "of another type"),
    "another shape": (WEIGHT, lambda: BIAS[:-1], "1 of another shape"),
    "a storage": (WEIGHT, BIAS.untyped_storage, "has TypedStorage at|is cut off"),
    "a list": (WEIGHT, BIAS.tolist, "has list at"),
}


@pytest.mark.parametrize("legacy", [False, True], ids=["archive", "legacy"])
@pytest.mark.parametrize("kind", FLAWS)
def test_a_tensor_that_no_weights_can_be(tmp_path: Path, kind: str, legacy: bool) -> None:
    name, make, match = FLAWS[kind]
    path = tmp_path / "a.pth"
    path.write_bytes(saved(checkpoint(**{name: make()}), legacy=legacy))
    with pytest.raises(OptunaOFAError, match=rf"`weights` .*a\.pth.*({match})"):
        load_supernet(path)


@pytest.mark.parametrize("legacy", [False, True], ids=["archive", "legacy"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_of_weights_are_converted(
    tmp_path: Path, dtype: torch.dtype, legacy: bool
) -> None:
    path = tmp_path / "a.pth"
    content = checkpoint(**{WEIGHT: BIAS.to(dtype)})
    path.write_bytes(saved(content, legacy=legacy))
    loaded = load_supernet(path).get_parameter(WEIGHT)
    assert loaded.dtype == torch.float32
    torch.testing.assert_close(loaded, BIAS.to(dtype).float(), rtol=0, atol=0)


def test_loaded_weights_share_no_memory(tmp_path: Path) -> None:
    name = "blocks.1.conv.inverted_bottleneck.bn"
    state = NET.state_dict()
    tied = torch.stack([state[f"{name}.weight"], state[f"{name}.bias"]])
    path = tmp_path / "a.pth"
    path.write_bytes(saved(checkpoint(**{f"{name}.weight": tied[0], f"{name}.bias": tied[1]})))
    loaded = load_supernet(path)
    weight = loaded.get_parameter(f"{name}.weight")
    assert weight.requires_grad
    assert weight.untyped_storage().nbytes() == weight.nbytes
    torch.testing.assert_close(dict(loaded.state_dict()), dict(state), rtol=0, atol=0)


@pytest.mark.parametrize("dropout", ["0.1", None, [], -1, 2, 10**400, torch.zeros(1)])
def test_a_dropout_that_is_no_probability(tmp_path: Path, dropout: Any) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(saved({**checkpoint(), "dropout": dropout}))
    with pytest.raises(FormatError, match=r"`dropout` of .*a\.pth must be from 0 to 1, but is"):
        load_supernet(path)


def test_a_family_is_not_built_before_its_weights_are_there(tmp_path: Path) -> None:
    table = get_family("ofa_mbv3_w1.0").to_dict()
    head = {**table["head"], "feature_mix_channels": 10**6, "n_classes": 10**6}  # 4 TB
    path = tmp_path / "a.pth"
    family = {**table, "name": "own", "aliases": [], "head": head}
    path.write_bytes(saved({**checkpoint(), "family": family}))
    with pytest.raises(OptunaOFAError, match=r"a\.pth"):
        load_supernet(path)


@pytest.mark.parametrize("value", [torch.zeros(0), torch.zeros(3), torch.zeros(3, 3), 10**400])
@pytest.mark.parametrize("entry", ["name", "resolutions", "bn_eps", "stages", "head"])
def test_a_family_of_tensors(tmp_path: Path, entry: str, value: Any) -> None:
    path = tmp_path / "a.pth"
    for table in (NET.family.to_dict(), get_family("ofa_mbv3_w1.0").to_dict()):
        path.write_bytes(saved({**checkpoint(), "family": {**table, entry: value}}))
        with pytest.raises(OptunaOFAError, match=r"a\.pth"):
            load_supernet(path)


# ---------------------------------------------------------------------- values

NESTED: Any = []
for _ in range(MAX_DEPTH + 1):
    NESTED = [NESTED]
SHARED: Any = []
for _ in range(MAX_DEPTH - 1):
    SHARED = [SHARED] * 100


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"a": [float("nan")]}, r"has nan at `a\.0`"),
        ({"a": {"b": (1, float("inf"))}}, r"has inf at `a\.b\.1`"),
        ({"a": NESTED}, "too many values, or too many in each other"),
        ({"a": SHARED}, "too many values, or too many in each other"),
        ({"a": [torch.zeros(1000)] * 50}, "smaller than the tensors that it describes"),
    ],
    ids=["nan", "infinite", "deep", "shared lists", "one tensor many times"],
)
@pytest.mark.parametrize("legacy", [False, True], ids=["archive", "legacy"])
def test_implausible_values(content: Any, match: str, legacy: bool) -> None:
    with pytest.raises(ValueError, match=match):
        parse_tensors(saved(content, legacy=legacy))


# ---------------------------------------------------------------------- archives

SMALL = {"a": torch.arange(50.0), "b": [1, "x", 2.5]}


def rewritten(change: Callable[[dict[str, bytes], zipfile.ZipFile], None]) -> bytes:
    """Return an archive of the same members after a change, with checksums that fit."""
    with zipfile.ZipFile(io.BytesIO(saved(SMALL))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        change(members, archive)
        for name, member in members.items():
            archive.writestr(name, member)
    return memory.getvalue()


def bomb(members: dict[str, bytes], archive: zipfile.ZipFile) -> None:
    archive.writestr("archive/data/9", bytes(10**7), zipfile.ZIP_DEFLATED)


ARCHIVES: dict[str, Callable[[dict[str, bytes], zipfile.ZipFile], object]] = {
    "doubled": lambda members, archive: archive.writestr(next(iter(members)), b"x"),
    "absolute": lambda members, archive: archive.writestr("/archive/data/9", b"x"),
    "above": lambda members, archive: archive.writestr("archive/../../a", b"x"),
    "larger unpacked": bomb,
    "without data": lambda members, archive: members.pop("archive/data/0"),
    "less data": lambda members, archive: members.update({"archive/data/0": b"1234"}),
    "no data": lambda members, archive: members.update({"archive/data/0": b""}),
    "without pickle": lambda members, archive: members.pop("archive/data.pkl"),
    "empty": lambda members, archive: members.clear(),
}


def test_an_archive_that_is_rewritten_can_be_read() -> None:
    found = parse_tensors(rewritten(lambda members, archive: None))
    assert found["b"] == SMALL["b"]
    assert torch.equal(found["a"], SMALL["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_torch_does_not_write(kind: str) -> None:
    def change(members: dict[str, bytes], archive: zipfile.ZipFile) -> None:
        ARCHIVES[kind](members, archive)

    with pytest.raises(ValueError, match="is cut off, damaged or of another format"):
        parse_tensors(rewritten(change))


def test_every_flipped_bit_of_a_tensor_is_noticed() -> None:
    content = saved(SMALL)
    start = content.index(SMALL["a"].numpy().tobytes())  # type: ignore[union-attr]
    for bit in range(0, 1600, 7):
        flipped = bytearray(content)
        flipped[start + bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match="is cut off, damaged"):
            parse_tensors(bytes(flipped))


@pytest.mark.parametrize("legacy", [False, True], ids=["archive", "legacy"])
def test_random_damage(legacy: bool) -> None:
    """Whatever happens to a file, it is refused or read."""
    content = saved(SMALL, legacy=legacy)
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(len(damaged), size=rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        if rng.random() < 0.3:
            del damaged[rng.integers(len(damaged)) :]
        with contextlib.suppress(ValueError):
            parse_tensors(bytes(damaged))
