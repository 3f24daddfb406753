"""The accuracy of networks in 8-bit integers is that of the files that `export` writes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from optuna_ofa import EvaluationSettings, SearchSpace, Supernet, evaluate, get_family
from optuna_ofa._imports import OptionalImport
from optuna_ofa.deployment import export
from optuna_ofa.exceptions import InvalidArgumentError, MeasurementError, MissingDependencyError
from optuna_ofa.supernet import resize_images

pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

Loaders = Callable[..., DataLoader]


def images_of(make_loader: Loaders, n: int, seed: int) -> Tensor:
    return make_loader(n, seed=seed).dataset.tensors[0]


def by_hand(path: Path, images: Tensor) -> np.ndarray:
    """The classes that ONNX Runtime finds with a file, one image at a time."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    size = session.get_inputs()[0].shape[0]
    batches = torch.split(images, size if isinstance(size, int) else len(images))
    logits = [session.run(None, {"images": batch.numpy()})[0] for batch in batches]
    return np.concatenate(logits).argmax(axis=1)


@pytest.mark.parametrize("batch", [1, 50, None])
@pytest.mark.parametrize("resolution", [16, 32])
def test_the_accuracy_is_that_of_the_exported_file(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    tmp_path: Path,
    resolution: int,
    batch: int | None,
) -> None:
    val, calibration = make_loader(300, seed=5), images_of(make_loader, 250, seed=6)
    settings = EvaluationSettings(calibration=calibration, precision="int8")
    subnets = [space.smallest(), space.largest()]
    subnets = [replace(subnet, resolution=resolution) for subnet in subnets]
    found = evaluate(trained, subnets, val, settings)
    images, labels = val.dataset.tensors
    images = resize_images(images, resolution)
    for subnet, top1 in zip(subnets, found.top1, strict=True):
        path = tmp_path / "int8.onnx"
        export(trained, subnet, path, format="onnx_int8", calibration=calibration, batch=batch)
        assert top1 == 100 * (by_hand(path, images) == labels.numpy()).mean()


@pytest.mark.parametrize(
    ("name", "size"), [("ofa_proxyless_w1.3", 32), ("ofa_resnet50", 32), ("ofa_mbv3_w1.0", 32)]
)
def test_every_published_family(name: str, size: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    family = get_family(name)
    supernet, subnet = Supernet(family), SearchSpace(family, resolution=size).smallest()
    images, labels = torch.randn(40, 3, size, size), torch.randint(0, 1000, (40,))
    export(supernet, subnet, tmp_path / "a", format="onnx_int8", calibration=images)
    classes = torch.from_numpy(by_hand(tmp_path / "a", images))
    labels[::2] = classes[::2]  # random weights would never be right
    settings = EvaluationSettings(calibration=images, precision="int8")
    found = evaluate(supernet, subnet, [(images, labels)], settings)
    assert found.top1[0] == 100 * (classes == labels).double().mean() >= 50


def test_processes_and_batches_do_not_matter(
    trained: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    settings = EvaluationSettings(calibration=make_loader(250, seed=6), precision="int8")
    subnets = space.sample(3, seed=0)
    once = evaluate(trained, subnets, make_loader(200, seed=5), settings)
    batches = list(make_loader(200, seed=5, batch_size=7))
    pool = evaluate(trained, subnets, batches, replace(settings, processes=2))
    np.testing.assert_array_equal(once.top1, pool.top1)
    np.testing.assert_array_equal(once.top5, pool.top5)


def test_the_setup_says_what_computed_it(
    trained: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    settings = EvaluationSettings(calibration=make_loader(250, seed=6), precision="int8")
    setup = evaluate(trained, space.smallest(), make_loader(50), settings).setup
    assert setup["precision"] == "int8"
    assert setup["runtime"] == "onnxruntime"
    assert setup["versions"] == {"onnxruntime": onnxruntime.__version__}
    assert setup["calibration"]["n_images"] == 250
    assert setup["n_quantized"] == 200
    assert setup["instructions"]


def test_only_the_same_setup_answers(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    val, subnet = make_loader(100, seed=5), space.smallest()
    made: list[str] = []
    quantized = "optuna_ofa.evaluation._exported.quantized_onnx_of_net"
    original = __import__("optuna_ofa.graphs", fromlist=["_"]).quantized_onnx_of_net
    monkeypatch.setattr(quantized, lambda *a, **k: made.append("int8") or original(*a, **k))

    def top1(seed: int, precision: str | None) -> float:
        calibration = images_of(make_loader, 250, seed=seed)
        settings = EvaluationSettings(calibration=calibration, precision=precision)  # type: ignore[arg-type]
        return float(evaluate(trained, subnet, val, settings, storage=url).top1[0])

    first = top1(6, "float32")
    assert top1(6, None) == first
    assert made == []
    eight = top1(6, "int8")
    assert len(made) == 1
    assert top1(6, "int8") == eight  # from the database
    assert len(made) == 1
    top1(7, "int8")  # other calibration images
    assert len(made) == 2
    assert top1(6, "float32") == first
    monkeypatch.setattr("onnxruntime.__version__", "0.0.1")
    top1(6, "int8")
    assert len(made) == 3


def test_a_failing_subnet_is_recorded_and_three_stop(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> bytes:
        raise ValueError("no such operator")

    monkeypatch.setattr("optuna_ofa.evaluation._exported.quantized_onnx_of_net", fails)
    settings = EvaluationSettings(calibration=make_loader(250, seed=6), precision="int8")
    with pytest.raises(MeasurementError, match="3 subnets in a row failed: ValueError: no such op"):
        evaluate(trained, space.sample(4, seed=0), make_loader(50), settings)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime.quantization"])
def test_a_missing_package_is_named_before_any_work(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
) -> None:
    check = OptionalImport.check

    def refuse(self: OptionalImport) -> object:
        if self.module == missing:
            raise MissingDependencyError(f'pip install "optuna-ofa[{self.extra}]"')
        return check(self)

    for name in ("check", "require"):
        monkeypatch.setattr(OptionalImport, name, refuse)
    settings = EvaluationSettings(calibration=make_loader(250, seed=6), precision="int8")
    extra = missing.split(".", maxsplit=1)[0]
    with pytest.raises(MissingDependencyError, match=rf"optuna-ofa\[{extra}\]"):
        evaluate(trained, space.smallest(), [], settings)


def test_wrong_settings(make_loader: Loaders, trained: Supernet, space: SearchSpace) -> None:
    images = images_of(make_loader, 50, seed=0)
    with pytest.raises(InvalidArgumentError, match=r"`precision` must be .*'int8'.*'int4'"):
        EvaluationSettings(calibration=images, precision="int4")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="`calibration` must be training images for"):
        EvaluationSettings(calibration=None, precision="int8")
    with pytest.raises(InvalidArgumentError, match="`device` must be 'cpu' for the precision"):
        EvaluationSettings(calibration=images, precision="int8", device="cuda")
    double = Supernet(trained.family).double()
    settings = EvaluationSettings(calibration=images, precision="float32")
    with pytest.raises(InvalidArgumentError, match=r"`precision` must be 'int8', or None.*float64"):
        evaluate(double, space.smallest(), make_loader(50), settings)


def test_the_package_imports_without_the_runtime() -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = sys.modules['onnx'] = None\n"
        "import optuna_ofa.evaluation, optuna_ofa.verification"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
