"""Published accuracy predictors against the code that came with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from optuna_ofa.exceptions import (
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
    InvalidSubnetError,
)
from optuna_ofa.predictors import AccuracyPredictor
from optuna_ofa.space import Subnet, subnet_to_dialect

TUTORIAL = "ofa_mbv3_w1.2_acc_predictor.pth"
RESNET = "ofa_resnet50_acc_predictor.pth"
SIZES = (224, 160, 192)  # in the order of a training, which need not be ascending

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def tutorial(shared_data: Path) -> AccuracyPredictor:
    return AccuracyPredictor.load(shared_data / TUTORIAL)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[object], Path]:
    def write_file(content: object) -> Path:
        path = tmp_path / "predictor.pth"
        torch.save(content, path)
        return path

    return write_file


def sequential(n_inputs: int = 128, n_outputs: int = 1) -> State:
    """Random weights with the names of the tutorial's file."""
    return {
        "0.weight": torch.rand(8, n_inputs),
        "0.bias": torch.rand(8),
        "2.weight": torch.rand(n_outputs, 8),
        "2.bias": torch.rand(n_outputs),
    }


def ofa_spec(subnet: Subnet) -> dict[str, Any]:
    return subnet_to_dialect(subnet, "ofa")


# ---------------------------------------------------------------------- the three encodings


def test_tutorial_file_says_what_it_is(tutorial: AccuracyPredictor) -> None:
    assert tutorial.space.family.name == "ofa_mbv3_w1.2"
    assert tutorial.space.resolutions == tuple(range(112, 225, 16))
    assert tutorial.metadata == {"file": TUTORIAL, "encoding": "ofa_tutorial"}
    assert (tutorial.metric, tutorial.direction) == ("top1", "maximize")


@pytest.mark.parametrize(("extreme", "top1"), [("smallest", 75.31), ("largest", 83.59)])
def test_known_accuracy(tutorial: AccuracyPredictor, extreme: str, top1: float) -> None:
    space = tutorial.space.restrict(resolution=[160, 176, 192, 208, 224])
    predicted = tutorial.predict(space.to_matrix([getattr(space, extreme)()]))
    assert round(float(predicted[0]), 2) == top1


def test_tutorial_equals_the_code_of_ofa(
    ofa: ModuleType, shared_data: Path, tutorial: AccuracyPredictor
) -> None:
    from ofa.tutorial.accuracy_predictor import AccuracyPredictor as Theirs

    theirs = Theirs(pretrained=False, device="cpu")
    state = torch.load(shared_data / TUTORIAL, map_location="cpu", weights_only=True)
    theirs.model.load_state_dict(state)
    matrix = tutorial.space.sample(500, seed=0)
    specs = [subnet_to_dialect(s, "ofa_tutorial") for s in tutorial.space.from_matrix(matrix)]
    expected = theirs.predict_accuracy(specs)[:, 0].numpy() * 100
    np.testing.assert_allclose(tutorial.predict(matrix), expected, atol=1e-4)


def test_resnet_equals_the_code_of_ofa(ofa: ModuleType, shared_data: Path) -> None:
    from ofa.nas.accuracy_predictor import AccuracyPredictor as Theirs, ResNetArchEncoder

    predictor = AccuracyPredictor.load(shared_data / RESNET)
    assert predictor.metadata["encoding"] == "ofa_resnet"
    encoder = ResNetArchEncoder(image_size_list=[128, 144, 160, 176, 192, 224, 240, 256])
    theirs = Theirs(encoder, checkpoint_path=str(shared_data / RESNET), device="cpu")
    matrix = predictor.space.sample(300, seed=1)
    specs = [ofa_spec(subnet) for subnet in predictor.space.from_matrix(matrix)]
    expected = theirs.predict_acc(specs).detach().numpy() * 100
    np.testing.assert_allclose(predictor.predict(matrix), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "space_type"),
    [("ofa_mbv3_w1.0", "mbv3"), ("ofa_mbv3_w1.2", "mbv3"), ("ofa_proxyless_w1.3", "mbv2")],
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "in-state_dict"])
def test_resolution_first_equals_the_code_of_ofa(
    ofa: ModuleType, write: Callable[[object], Path], family: str, space_type: str, wrapped: bool
) -> None:
    from ofa.nas.accuracy_predictor import AccuracyPredictor as Theirs, MobileNetArchEncoder

    class Encoder(MobileNetArchEncoder):  # type: ignore[misc]
        SPACE_TYPE = space_type

    theirs = Theirs(Encoder(image_size_list=list(SIZES)), device="cpu")
    theirs.base_acc.fill_(0.7)
    state = theirs.state_dict()
    path = write({"state_dict": state} if wrapped else state)
    predictor = AccuracyPredictor.load(path, family=family, resolutions=SIZES)
    assert predictor.space.resolutions == (160, 192, 224)
    matrix = predictor.space.sample(200, seed=2)
    specs = [ofa_spec(subnet) for subnet in predictor.space.from_matrix(matrix)]
    expected = theirs.predict_acc(specs).detach().numpy() * 100
    np.testing.assert_allclose(predictor.predict(matrix), expected, atol=1e-4)


def test_another_width_can_be_named(shared_data: Path) -> None:
    predictor = AccuracyPredictor.load(shared_data / TUTORIAL, family="ofa_mbv3_w1.0")
    assert predictor.space.family.name == "ofa_mbv3_w1.0"


# ---------------------------------------------------------------------- what is promised


@pytest.mark.parametrize("size", [1, 3, 127, 128, 129, 700])
def test_same_bits_in_any_batch(tutorial: AccuracyPredictor, size: int) -> None:
    matrix = tutorial.space.sample(1000, seed=3)
    together = tutorial.predict(matrix)
    for start in (0, 1, 77, 1000 - size):
        part = slice(start, start + size)
        np.testing.assert_array_equal(tutorial.predict(matrix[part]), together[part])


def test_same_bits_with_any_number_of_threads(tutorial: AccuracyPredictor) -> None:
    matrix = tutorial.space.sample(2000, seed=6)
    n_threads = torch.get_num_threads()
    predictions = []
    try:
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            predictions.append(tutorial.predict(matrix))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(n_threads)
    np.testing.assert_array_equal(predictions[1:], [predictions[0]] * 2)


def test_same_bits_at_any_place(tutorial: AccuracyPredictor) -> None:
    matrix = np.repeat(tutorial.space.sample(1, seed=4), 300, axis=0)
    assert len(set(tutorial.predict(matrix).tolist())) == 1


def test_genes_of_absent_blocks_do_not_matter(tutorial: AccuracyPredictor) -> None:
    space = tutorial.space
    matrix = space.sample(100, seed=5)
    other = np.where(space.active_genes(matrix), matrix, space.to_matrix([space.largest()]))
    np.testing.assert_array_equal(tutorial.predict(other), tutorial.predict(matrix))


def test_no_subnets(tutorial: AccuracyPredictor) -> None:
    assert tutorial.predict(tutorial.space.sample(0, seed=0)).shape == (0,)


def test_has_no_standard_deviations(tutorial: AccuracyPredictor) -> None:
    assert tutorial.predict_std(tutorial.space.sample(2, seed=0)) is None


@pytest.mark.parametrize(
    ("gene", "value"),
    [("resolution", 164), ("stage1.block1.kernel", 9), ("stage5.depth", 1)],
    ids=["resolution", "kernel", "depth"],
)
def test_subnet_outside_of_the_space_is_refused(
    tutorial: AccuracyPredictor, gene: str, value: int
) -> None:
    matrix = tutorial.space.sample(2, seed=0)
    matrix[1, [g.name for g in tutorial.space.genes].index(gene)] = value
    with pytest.raises(InvalidSubnetError, match=rf"`matrix\[1\]` must have '{gene}'.*got {value}"):
        tutorial.predict(matrix)


@pytest.mark.parametrize("file", [TUTORIAL, RESNET])
def test_is_saved_without_loss(file: str, shared_data: Path, tmp_path: Path) -> None:
    published = AccuracyPredictor.load(shared_data / file)
    published.save(tmp_path / "predictor.json")
    loaded = AccuracyPredictor.load(tmp_path / "predictor.json")
    matrix = published.space.sample(100, seed=0)
    assert loaded.space == published.space
    np.testing.assert_array_equal(loaded.predict(matrix), published.predict(matrix))


def test_newer_networks_are_saved_with_their_resolutions(
    write: Callable[[object], Path], tmp_path: Path
) -> None:
    layers = sequential(6 * 21 + len(SIZES))
    state = {
        f"layers.{name[0]}.0.weight": v / 100 for name, v in layers.items() if "weight" in name
    }
    published = AccuracyPredictor.load(
        write(state | {"base_acc": torch.tensor(0.7)}), family="ofa_proxyless_w1.3",
        resolutions=SIZES,
    )  # fmt: skip
    published.save(tmp_path / "predictor.json")
    matrix = published.space.sample(100, seed=0)
    loaded = AccuracyPredictor.load(tmp_path / "predictor.json")
    np.testing.assert_array_equal(loaded.predict(matrix), published.predict(matrix))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"encoding": "other"}, "`encoding` must be a known one, but is 'other'"),
        ({"encoding": "ofa_resnet"}, "`encoding` must be a known one|must be for MobileNetV3"),
        ({"resolutions": [224]}, "`encoding` must be a known one"),
        ({"base": 7}, "`base` must be"),
        ({"layers": []}, "`layers` must lead from 128 inputs to one output"),
        ({"layers": [{}]}, "`weight` must be an array"),
        ({"layers": 7}, "`model` must hold a published network"),
    ],
    ids=str,
)
def test_broken_files_of_networks_are_refused(
    tutorial: AccuracyPredictor, tmp_path: Path, change: dict[str, Any], match: str
) -> None:
    tutorial.save(tmp_path / "predictor.json")
    data = json.loads((tmp_path / "predictor.json").read_text())
    data["model"].update(change)
    (tmp_path / "predictor.json").write_text(json.dumps(data))
    with pytest.raises(FormatError, match=match):
        AccuracyPredictor.load(tmp_path / "predictor.json")


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("file", "family", "match"),
    [
        (TUTORIAL, "ofa_resnet50", "must be a MobileNetV3 one .*'ofa_tutorial', but got ofa_resn"),
        (TUTORIAL, "ofa_proxyless_w1.3", "'ofa_tutorial', but got ofa_proxyless_w1.3"),
        (RESNET, "ofa_mbv3_w1.2", "must be a ResNets one .*'ofa_resnet', but got ofa_mbv3_w1.2"),
    ],
)
def test_another_family_is_refused(shared_data: Path, file: str, family: str, match: str) -> None:
    with pytest.raises(FamilyMismatchError, match=match):
        AccuracyPredictor.load(shared_data / file, family=family)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({}, "`family` must be given, .*resolution-first encoding.*123 inputs.*got None"),
        ({"family": "ofa_resnet50"}, "`family` must be given, a MobileNetV3 or"),
        ({"family": "ofa_mbv3_w1.0"}, "`resolutions` must be the 3 input sizes .*got None"),
        ({"family": "ofa_mbv3_w1.0", "resolutions": [224]}, r"the 3 input sizes .*got \[224\]"),
        ({"family": "ofa_mbv3_w1.0", "resolutions": [224] * 3}, "`resolutions` must be different"),
    ],
    ids=["nothing", "another-family", "no-resolutions", "too-few", "repeated"],
)
def test_resolution_first_needs_to_be_told(
    write: Callable[[object], Path], arguments: dict[str, Any], match: str
) -> None:
    state = {"layers.0.0.weight": torch.ones(8, 123), "layers.1.weight": torch.ones(1, 8)}
    with pytest.raises(InvalidArgumentError, match=match):
        AccuracyPredictor.load(write(state), **arguments)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (sequential(n_inputs=124), "must have 128 inputs for the encoding 'ofa_tutorial'.*has 124"),
        (sequential(n_outputs=2), r"one-hot inputs to one output.*'2.weight': \(2, 8\)"),
        (sequential() | {"2.weight": torch.ones(1, 9)}, "must hold linear layers"),
        (sequential() | {"2.weight": torch.ones(())}, "must hold linear layers"),
        (sequential() | {"0.weight": torch.ones(8, 128, 1, 1)}, "must hold linear layers"),
        (sequential() | {"0.bias": torch.ones(3)}, r"linear layers.*'0.bias': \(3,\)"),
        ({"0.weight": torch.ones(1, 128)}, "must hold linear layers"),
        ({"conv.weight": torch.ones(8, 3, 3, 3)}, r"linear layers.*'conv.weight': \(8, 3, 3, 3\)"),
        ({}, "must hold linear layers"),
        ({"state_dict": 7}, "must hold a state dict"),
        ({1: torch.ones(2)}, "must hold a state dict"),
        ([1, 2], "must hold a state dict.*list"),
        (torch.ones(3), "must hold a state dict.*Tensor"),
    ],
    ids=[
        "inputs",
        "outputs",
        "chain",
        "scalar",
        "convolution",
        "bias",
        "one-layer",
        "other-network",
        "empty",
        "nested",
        "keys",
        "list",
        "tensor",
    ],
)
def test_other_content_is_refused(
    write: Callable[[object], Path], content: object, match: str
) -> None:
    with pytest.raises(FormatError, match=match):
        AccuracyPredictor.load(write(content))


class Code:
    """Runs code when it is unpickled without care."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


def test_pickled_code_is_refused_and_not_run(
    write: Callable[[object], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write({"0.weight": Code()})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match="must be a PyTorch state dict"):
        AccuracyPredictor.load(path)
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 cut off", b"no pickle at all", b"\x80\x02."],
    ids=["empty", "archive", "text", "pickle-of-nothing"],
)
def test_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "predictor.pth"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"must be a PyTorch state dict, but .*predictor.pth"):
        AccuracyPredictor.load(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"`path` must be .*none.pth does not exist"):
        AccuracyPredictor.load(tmp_path / "none.pth")


def test_predicting_in_several_threads_leaves_torch_as_it_was(shared_data: Path) -> None:
    predictor = AccuracyPredictor.load(shared_data / "ofa_mbv3_w1.2_acc_predictor.pth")
    matrix = predictor.space.sample(300, seed=0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: predictor.predict(matrix), range(16)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(result, results[0]) for result in results)
