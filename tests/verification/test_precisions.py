"""Accuracies in 8-bit integers in a study: what they are called, and that they are not mixed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

import optuna_ofa.evaluation._score as score
from optuna_ofa import (
    AccuracyMeter,
    AccuracyPredictor,
    EvaluationSettings,
    LatencyMeter,
    MeasurementSettings,
    SubnetStudy,
    Supernet,
    evaluate,
    read_measurements,
)
from optuna_ofa.deployment import export, figures_of
from optuna_ofa.exceptions import InvalidArgumentError, MeasurementError
from optuna_ofa.verification import Meter, Readings
from optuna_ofa.visualization import plot_front, plot_fronts, plot_verification

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


class Stopwatch(Meter):
    """Measures one millisecond more for each subnet, in a precision.

    Args:
        precision: The precision.
    """

    def __init__(self, precision: str) -> None:
        self.precision = precision

    def measure(self, space: object, matrix: np.ndarray, storage: object) -> Readings:
        """Return 1, 2, ... ms."""
        setup = {"processor": "here", "runtime": "it", "settings": {"precision": self.precision}}
        return Readings(np.arange(1.0, len(matrix) + 1), np.zeros(len(matrix)), {}, setup=setup)


@pytest.fixture
def accuracy(supernet: Supernet, loader: DataLoader) -> Callable[..., AccuracyMeter]:
    def make(precision: str | None) -> AccuracyMeter:
        settings = EvaluationSettings(calibration=loader)
        return AccuracyMeter(supernet, loader, settings, precision=precision)  # type: ignore[arg-type]

    return make


def test_a_meter_measures_what_evaluate_does(
    study: SubnetStudy,
    supernet: Supernet,
    loader: DataLoader,
    accuracy: Callable[..., AccuracyMeter],
    tmp_path: Path,
) -> None:
    found = study.verify({"top1": accuracy("int8"), "latency_ms": Stopwatch("int8")}, points=2)
    settings = EvaluationSettings(calibration=loader, precision="int8")
    wanted = evaluate(supernet, [p.subnet for p in found], loader, settings)
    assert [p.measured["top1"] for p in found] == wanted.top1.tolist()
    assert "top1 in INT8 (onnxruntime) on 40 images" in str(found)
    assert "different precisions" not in str(found)
    point = study.front(kind="measured")[0]
    assert point.origin["top1"]["precision"] == "int8"
    assert point.origin["top1"]["versions"].keys() == {"onnxruntime"}
    images = loader.dataset.tensors[0]
    figures = figures_of(point)
    path = tmp_path / "net.onnx"
    for format, key in (("onnx_int8", "figures"), ("onnx", "figures_of_others")):
        made = export(
            supernet, point.subnet, path, format=format, calibration=images, figures=figures
        )
        assert "top1" in [figure["metric"] for figure in made[key]]


def test_pictures_say_it(
    study: SubnetStudy, make_study: Callable[..., SubnetStudy], accuracy: Callable[..., Meter]
) -> None:
    eight = study.verify({"top1": accuracy("int8"), "latency_ms": Stopwatch("int8")}, points=2)
    other = make_study()
    plain = other.verify({"top1": accuracy(None), "latency_ms": Stopwatch("float32")}, points=2)
    for figure in (plot_verification(eight), plot_front(study, kind="measured")):
        assert "top-1 measured in INT8 (onnxruntime) on 40 images" in figure.layout.meta["notes"]
        assert "latency of here, it, INT8" in figure.layout.meta["notes"][-1]
    assert "top-1 measured on 40 images" in plot_verification(plain).layout.meta["notes"]
    figure = plot_fronts({"float32": other, "INT8": study}, kind="both")
    assert [trace.name.split(" (")[0] for trace in figure.data] == [
        "float32, predicted",
        "float32, measured",
        "INT8, predicted",
        "INT8, measured",
    ]
    assert [trace.line.dash for trace in figure.data] == ["dot", None, "dot", None]
    colours = [trace.line.color for trace in figure.data]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    notes = " ".join(figure.layout.meta["notes"])
    assert (
        "top-1 predicted in float32, measured in INT8 (onnxruntime) and float32 on 40 images"
        in notes
    )
    assert "latency measured for here, it, float32 and INT8" in notes


@pytest.mark.parametrize(("first", "second"), [("float32", "int8"), ("int8", "float32")])
def test_a_study_has_one_precision(
    study: SubnetStudy, accuracy: Callable[..., Meter], first: str, second: str
) -> None:
    study.verify({"top1": accuracy(first), "latency_ms": Stopwatch(first)}, points=2)
    n = len(study.results(kind="measured").numbers)
    message = rf"`measure\['top1'\]` must measure in {first}, as the .* but measures in {second}"
    with pytest.raises(InvalidArgumentError, match=message):
        study.verify({"top1": accuracy(second), "latency_ms": Stopwatch(first)}, points=3)
    message = rf"`measure\['latency_ms'\]` must measure in {first}, .* but measures in {second}"
    with pytest.raises(InvalidArgumentError, match=message):
        study.verify({"top1": accuracy(first), "latency_ms": Stopwatch(second)}, points=3)
    assert len(study.results(kind="measured").numbers) == n
    found = study.verify({"top1": accuracy(first), "latency_ms": Stopwatch(first)}, points=3)
    assert len(found) == 3


def test_metrics_of_different_precisions_are_reported(
    study: SubnetStudy, accuracy: Callable[..., Meter]
) -> None:
    found = study.verify({"top1": accuracy("int8"), "latency_ms": Stopwatch("float32")}, points=2)
    assert found.notes[-1] == (
        "top1 in int8, latency_ms in float32: values of different precisions are not those of one "
        "network"
    )


def test_a_predictor_of_float32_is_reported(
    study: SubnetStudy, accuracy: Callable[..., Meter], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {"runtime": "torch", "precision": "float32"}
    monkeypatch.setattr(type(study.problem.predictors["top1"]), "metadata", facts, raising=False)
    found = study.verify({"top1": accuracy("int8")}, points=2)
    assert any("another precision (float32, measured with int8)" in note for note in found.notes)


def test_an_interrupted_verification_keeps_what_it_has(
    make_study: Callable[..., SubnetStudy],
    accuracy: Callable[..., AccuracyMeter],
    sqlite: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = make_study(storage=sqlite, study_name="int8")
    made: list[object] = []
    original = score.exported_network

    def network(*args: object) -> object:
        if len(made) == 9:
            raise MeasurementError("unplugged")
        made.append(args)
        return original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(score, "exported_network", network)
    space = study.space.restrict(resolution=28)
    points = space.from_matrix(space.sample(10, seed=0))  # eight of which are measured together
    meters = {"top1": accuracy("int8"), "latency_ms": Stopwatch("int8")}
    with pytest.raises(MeasurementError, match="unplugged"):
        study.verify(meters, points=points)
    rows = read_measurements(sqlite, study.space, metric="top1")
    assert len(rows) == 8
    assert {row.setup["precision"] for row in rows} == {"int8"}
    monkeypatch.setattr(score, "exported_network", original)
    found = study.verify({**meters, "top1": accuracy("int8")}, points=points)
    assert len(found) == 10
    assert len(read_measurements(sqlite, study.space, metric="top1")) == 10


def test_a_predictor_of_int8_is_fitted_to_the_measurements(
    make_study: Callable[..., SubnetStudy], supernet: Supernet, loader: DataLoader, sqlite: str
) -> None:
    study = make_study()
    for precision in ("float32", "int8"):
        settings = EvaluationSettings(calibration=loader, precision=precision)  # type: ignore[arg-type]
        found = evaluate(supernet, study.space.sample(6, seed=0), loader, settings, storage=sqlite)
    with pytest.raises(InvalidArgumentError, match="`setup` must choose one of the 2 setups"):
        read_measurements(sqlite, study.space, metric="top1")
    rows = read_measurements(sqlite, study.space, metric="top1", setup={"precision": "int8"})
    assert [row.value for row in rows] == found.top1.tolist()
    fitted = AccuracyPredictor.fit(
        study.space, [r.subnet for r in rows], [r.value for r in rows], metadata=rows[0].setup
    )
    assert fitted.metadata["precision"] == "int8"
    assert fitted.metadata["runtime"] == "onnxruntime"


def test_meters_know_their_precision(accuracy: Callable[..., AccuracyMeter]) -> None:
    assert accuracy(None).precision == "float32"
    assert accuracy("int8").precision == "int8"
    assert LatencyMeter().precision == "float32"
    assert LatencyMeter(MeasurementSettings(precision="int8")).precision == "int8"
