"""Reading pretrained weights: what is accepted, and what is refused with its key."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from optuna_ofa.exceptions import FormatError
from optuna_ofa.pretrained._state import INSIDE, PREFIXES, read_state

State = dict[str, Tensor]


def net() -> nn.Sequential:
    layers = OrderedDict(conv=nn.Conv2d(3, 4, 3), bn=nn.BatchNorm2d(4))
    return nn.Sequential(layers)


@pytest.fixture
def state() -> State:
    return dict(net().state_dict())


def same(found: State, expected: State) -> bool:
    return found.keys() == expected.keys() and all(
        torch.equal(tensor, expected[key]) for key, tensor in found.items()
    )


class TestAccepted:
    def test_a_mapping(self, state: State) -> None:
        assert same(read_state(state)[0], state)

    def test_a_module(self) -> None:
        module = net()
        found, where = read_state(module)
        assert same(found, module.state_dict())
        assert where == "the Sequential"

    @pytest.mark.parametrize("name", INSIDE)
    def test_an_entry_of_a_checkpoint(self, state: State, name: str, tmp_path: Path) -> None:
        torch.save({"epoch": 3, name: state, "best": 91.5}, tmp_path / "c.pth")
        assert same(read_state(tmp_path / "c.pth")[0], state)

    def test_the_average_comes_first(self, state: State) -> None:
        average = {key: tensor + 1 for key, tensor in state.items()}
        assert same(read_state({"state_dict": state, "state_dict_ema": average})[0], average)

    @pytest.mark.parametrize("prefix", [*PREFIXES, "module._orig_mod.", "model.module."])
    def test_prefixes(self, state: State, prefix: str) -> None:
        assert same(read_state({prefix + key: t for key, t in state.items()})[0], state)

    def test_an_averaged_model(self) -> None:
        module = net()
        assert same(read_state(AveragedModel(module))[0], module.state_dict())
        assert same(read_state(AveragedModel(module).state_dict())[0], module.state_dict())

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_becomes_float32(self, dtype: torch.dtype) -> None:
        half = net().to(dtype).state_dict()
        found = read_state(half)[0]
        assert found["conv.weight"].dtype == torch.float32
        assert torch.equal(found["conv.weight"], half["conv.weight"].float())
        assert found["bn.num_batches_tracked"].dtype == torch.int64

    def test_float64_stays_if_all_weights_have_it(self, state: State) -> None:
        assert read_state(net().double())[0]["bn.bias"].dtype == torch.float64
        mixed = {**state, "conv.weight": state["conv.weight"].double()}
        assert read_state(mixed)[0]["conv.weight"].dtype == torch.float32

    def test_safetensors(self, state: State, tmp_path: Path) -> None:
        save_file(state, tmp_path / "w.safetensors")
        assert same(read_state(tmp_path / "w.safetensors")[0], state)


def changed(key: str, change: Callable[[Tensor], Any]) -> dict[str, Any]:
    found: dict[str, Any] = dict(net().state_dict())
    return {**found, key: change(found[key])}


def quantized(tensor: Tensor) -> Tensor:
    return torch._empty_affine_quantized(tensor.shape, scale=0.1, zero_point=0, dtype=torch.qint8)


REFUSED = {
    "empty": ({}, "a state dict, but the state dict holds no entry"),
    "only other entries": ({"epoch": 3}, "has int at `epoch`"),
    "no tensor": (changed("bn.bias", list), "has list at `bn.bias`; `torch.save"),
    "another key": ({3: torch.zeros(2)}, "has Tensor at `3`"),
    "nan": (changed("bn.bias", lambda t: t * torch.nan), "finite.* nan at `bn.bias`"),
    "infinity": (changed("conv.bias", lambda t: t / 0), "finite.*inf at `conv.bias`"),
    "variance": (
        changed("bn.running_var", lambda t: -t),
        "a negative variance at `bn.running_var`",
    ),
    "quantised": (lambda: changed("conv.weight", quantized), "has qint8 at `conv.weight`"),
    "integers": (changed("conv.weight", Tensor.int), "has int32 at `conv.weight`"),
    "complex": (changed("bn.bias", lambda t: t * 1j), "has complex64 at `bn.bias`"),
    "sparse": (changed("bn.bias", Tensor.to_sparse), "has float32.* at `bn.bias`"),
    "meta": (changed("bn.bias", lambda t: t.to("meta")), "without data at `bn.bias`"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.filterwarnings("ignore:.*quantized tensor creation:UserWarning")
def test_refused_with_the_key(content: Any, message: str) -> None:
    with pytest.raises(FormatError, match=f"`weights` must be .*{message}"):
        read_state(content() if callable(content) else content)


class Model(nn.Module):
    """A model of a user's own class."""


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a whole model": (
        lambda path: torch.save(net(), path),
        r"objects of the class torch.nn.*; `torch.save\(model.state_dict\(\), 'weights.pth'\)`",
    ),
    "a model beside its state": (
        lambda path: torch.save({"state_dict": net().state_dict(), "model": Model()}, path),
        r"objects of the class .*Model.*; `torch.save\(model.state_dict\(\), 'weights.pth'\)`",
    ),
    "TorchScript": (
        lambda path: torch.jit.script(net()).save(str(path)),
        r"is a TorchScript archive; `torch.save\(model.state_dict\(\), 'weights.pth'\)`",
    ),
    "text": (lambda path: path.write_text("weights"), "cut off, damaged or of another format"),
    "nothing": (lambda path: None, "does not exist"),
    "nan": (
        lambda path: torch.save(changed("bn.bias", lambda t: t * torch.nan), path),
        "has nan at `bn.bias`",
    ),
}


@pytest.mark.parametrize(("write", "message"), FILES.values(), ids=FILES)
@pytest.mark.filterwarnings("ignore:.*jit.*:DeprecationWarning")
def test_a_file_is_refused(write: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "w.pth")
    with pytest.raises(FormatError, match=rf"`weights` must be .*w\.pth.*{message}"):
        read_state(tmp_path / "w.pth")


def test_damaged_safetensors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"12345678{}")
    with pytest.raises(FormatError, match=r"w\.safetensors is cut off"):
        read_state(tmp_path / "w.safetensors")


def test_the_given_weights_are_left_alone(state: State) -> None:
    before = copy.deepcopy(state)
    read_state({"module." + key: tensor for key, tensor in state.items()})
    assert same(state, before)
