"""Accuracies of the files that `export` writes for other runtimes than torch."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import optuna_ofa.evaluation._exported as exported
from optuna_ofa import EvaluationSettings, SearchSpace, Supernet, evaluate
from optuna_ofa._imports import OptionalImport
from optuna_ofa.deployment import export
from optuna_ofa.evaluation import Computation
from optuna_ofa.exceptions import InvalidArgumentError, MissingDependencyError
from optuna_ofa.space import Layer
from optuna_ofa.supernet import resize_images

Loaders = Callable[..., DataLoader]


def images_of(make_loader: Loaders, n: int, seed: int) -> Tensor:
    return make_loader(n, seed=seed).dataset.tensors[0]


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The precisions of conversions, by a converter that pickles networks of torch."""
    made: list[str] = []

    def plain(net: nn.Module, layers: list[Layer]) -> bytes:
        made.append("float32")
        assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
        return pickle.dumps(net)

    def quantized(net: nn.Module, layers: list[Layer], images: Tensor) -> bytes:
        made.append("int8")
        return pickle.dumps(net)

    def run(content: bytes, threads: int) -> Callable[[Tensor], Tensor]:
        net = pickle.loads(content)
        return lambda images: net(images)  # type: ignore[no-any-return]

    monkeypatch.setattr(exported, "litert_of_net", plain)
    monkeypatch.setattr(exported, "quantized_litert_of_net", quantized)
    monkeypatch.setattr(exported, "run_litert", run)
    monkeypatch.setattr(exported, "version", lambda package: f"{package}-1")
    monkeypatch.setattr(OptionalImport, "require", lambda self: None)
    return made


def test_a_file_serves_every_call_of_the_same_settings(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, converted: list[str]
) -> None:
    val, calibration = make_loader(100, seed=5), images_of(make_loader, 250, seed=6)
    settings = EvaluationSettings(calibration=calibration, runtime="litert", precision="int8")
    subnets = [space.smallest(), space.largest()]
    first = evaluate(trained, subnets, val, settings)
    assert converted == ["int8"] * 2
    again = evaluate(trained, subnets, val, settings)
    assert again.top1.tolist() == first.top1.tolist()
    assert converted == ["int8"] * 2
    evaluate(trained, subnets[0], val, settings.computing(None, "float32"))
    assert converted == ["int8"] * 2 + ["float32"]
    evaluate(trained, subnets[0], val, replace(settings, n_calibration=100))
    assert converted == ["int8"] * 2 + ["float32", "int8"]
    other = copy.deepcopy(trained)
    with torch.no_grad():
        next(other.parameters()).add_(0.01)
    evaluate(other, subnets[0], val, settings)
    assert converted == ["int8"] * 2 + ["float32", "int8", "int8"]


def test_files_are_made_again_where_their_folder_is_gone(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, converted: list[str]
) -> None:
    settings = EvaluationSettings(
        calibration=images_of(make_loader, 250, seed=6), runtime="litert", precision="int8"
    )
    files, computation = settings.converted(trained), Computation("litert", "int8")
    gone = files._replace(folder="/nowhere")
    for _ in range(2):
        assert gone.content(space.smallest(), computation, lambda: b"net") == b"net"
    assert files.content(space.smallest(), computation, lambda: b"net") == b"net"
    assert files.content(space.smallest(), computation, pytest.fail) == b"net"
    assert files.content(space.largest(), computation, lambda: b"other") == b"other"
    assert Path(files.folder).is_dir()
    copied = pickle.loads(pickle.dumps(settings))
    assert copied.converted(trained).folder != files.folder
    del settings
    assert not Path(files.folder).exists()


def test_workers_leave_their_files_to_the_settings(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, converted: list[str]
) -> None:
    calibration, val = images_of(make_loader, 250, seed=6), list(make_loader(50, seed=5))
    settings = EvaluationSettings(calibration=calibration, runtime="litert", precision="int8")
    subnets = [space.smallest(), space.largest()]
    with ThreadPoolExecutor(1) as executor:
        first = evaluate(trained, subnets, val, settings, executor=executor)
    again = evaluate(trained, subnets, val, settings)
    assert converted == ["int8"] * 2
    assert again.top1.tolist() == first.top1.tolist()


def test_float32_is_the_network_of_torch(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, converted: list[str]
) -> None:
    val = make_loader(100, seed=5)
    settings = EvaluationSettings(calibration=images_of(make_loader, 250, seed=6))
    subnets = space.sample(3, seed=0)
    plain = evaluate(trained, subnets, val, settings)
    found = evaluate(trained, subnets, val, replace(settings, runtime="litert"))
    np.testing.assert_array_equal(found.top1, plain.top1)
    assert found.setup["precision"] == "float32"
    assert "n_quantized" not in found.setup
    uncalibrated = EvaluationSettings(calibration=None, runtime="litert")
    evaluate(trained, space.smallest(), val, uncalibrated)


def test_runtimes_are_kept_apart_in_a_database(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    converted: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, val = f"sqlite:///{tmp_path}/a.db", make_loader(100, seed=5)
    calibration = images_of(make_loader, 250, seed=6)

    def evaluated() -> dict[str, object]:
        settings = EvaluationSettings(calibration=calibration, runtime="litert", precision="int8")
        return dict(evaluate(trained, space.smallest(), val, settings, storage=url).setup)

    evaluate(trained, space.smallest(), val, EvaluationSettings(calibration=calibration))
    setup = evaluated()
    assert converted == ["int8"]
    assert setup["runtime"] == "litert"
    assert setup["versions"] == {
        "litert": "ai-edge-litert-1",
        "ai-edge-quantizer": "ai-edge-quantizer-1",
    }
    assert setup["n_quantized"] == 200
    assert setup["instructions"]
    evaluated()
    assert converted == ["int8"]  # from the database
    monkeypatch.setattr(exported, "version", lambda package: f"{package}-2")
    evaluated()
    assert converted == ["int8"] * 2


def test_onnx_in_float32_finds_the_classes_of_torch(
    trained: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    val, subnets = make_loader(200, seed=5), space.sample(3, seed=0)
    settings = EvaluationSettings(calibration=images_of(make_loader, 250, seed=6))
    plain = evaluate(trained, subnets, val, settings)
    found = evaluate(trained, subnets, val, replace(settings, runtime="onnxruntime"))
    np.testing.assert_array_equal(found.top1, plain.top1)
    assert found.setup["versions"].keys() == {"onnxruntime"}


def test_wrong_settings(make_loader: Loaders) -> None:
    images = images_of(make_loader, 50, seed=0)
    with pytest.raises(InvalidArgumentError, match=r"`runtime` must be .*'litert'.* got 'tflite'"):
        EvaluationSettings(calibration=images, runtime="tflite")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=r"`runtime` must be .* for the precision 'int8"):
        EvaluationSettings(calibration=images, runtime="torch", precision="int8")
    with pytest.raises(InvalidArgumentError, match="`device` must be 'cpu' for the runtime 'liter"):
        EvaluationSettings(calibration=images, runtime="litert", device="cuda")
    with pytest.raises(InvalidArgumentError, match="`calibration` must be training images for the"):
        EvaluationSettings(calibration=None, runtime="litert", precision="int8")


def test_a_missing_package_is_named_before_any_work(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: OptionalImport) -> None:
        raise MissingDependencyError(f'pip install "optuna-ofa[{self.extra}]"')

    monkeypatch.setattr(OptionalImport, "require", refuse)
    settings = EvaluationSettings(calibration=make_loader(250, seed=6), runtime="litert")
    with pytest.raises(MissingDependencyError, match=r"optuna-ofa\[litert\]"):
        evaluate(trained, space.smallest(), [], settings)


@pytest.mark.litert
def test_the_accuracy_is_that_of_the_exported_file(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, tmp_path: Path
) -> None:
    """By hand: NHWC, one image at a time, and integers by the scale of the input."""
    from ai_edge_litert.interpreter import Interpreter

    val, calibration = make_loader(100, seed=5), images_of(make_loader, 250, seed=6)
    settings = EvaluationSettings(calibration=calibration, runtime="litert", precision="int8")
    subnet = space.smallest()
    found = evaluate(trained, subnet, val, settings)
    (path,) = Path(settings.converted(trained).folder).iterdir()
    place = tmp_path / "net.tflite"
    export(trained, subnet, place, format="litert_int8", calibration=calibration)
    assert place.read_bytes() == path.read_bytes()
    interpreter = Interpreter(model_path=str(place))
    interpreter.allocate_tensors()
    (given,), (wanted,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["dtype"] == wanted["dtype"] == np.int8
    scale, zero = given["quantization"]
    images, labels = val.dataset.tensors
    classes = []
    for image in resize_images(images, subnet.resolution).permute(0, 2, 3, 1).numpy():
        stored = np.clip(np.round(image / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(given["index"], stored[None])
        interpreter.invoke()
        classes.append(interpreter.get_tensor(wanted["index"])[0].argmax())
    assert found.top1[0] == 100 * (np.array(classes) == labels.numpy()).mean() > 80
