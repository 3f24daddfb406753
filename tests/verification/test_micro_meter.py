"""Measured memory of microcontrollers beside what was predicted."""

from __future__ import annotations

import pickle
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

import optuna_ofa.verification._micro_meter as micro
from optuna_ofa import (
    AccuracyMeter,
    EvaluationSettings,
    SearchSpace,
    SubnetStudy,
    Supernet,
    read_measurements,
)
from optuna_ofa._imports import OptionalImport
from optuna_ofa.exceptions import (
    FailedMeasurementWarning,
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
    MissingDependencyError,
)
from optuna_ofa.executors import Shared
from optuna_ofa.graphs import LiteRTFile
from optuna_ofa.graphs._tflite_micro import Arena
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import Subnet
from optuna_ofa.verification import MicroMeter

BOARD = {"sram_kb": 256.0, "flash_kb": 1024.0}


@pytest.fixture
def space() -> SearchSpace:
    """729 subnets, whose memory is soon predicted."""
    return SearchSpace("ofa_mbv3_fashion").restrict(resolution=20, kernel=3, depth=2)


@pytest.fixture
def settings(loader: DataLoader) -> EvaluationSettings:
    return EvaluationSettings(calibration=loader.dataset.tensors[0])


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[Subnet]:
    """The subnets that were converted, by a converter whose files hold zeros.

    There is a byte of a file for each parameter, and a byte of the arena for each two.
    """
    made: list[Subnet] = []

    def file(_: Supernet, subnet: Subnet, images: Tensor, *__: object) -> bytes:
        assert images.shape[-1] == subnet.resolution
        made.append(subnet)
        space = SearchSpace(subnet.family, resolution=subnet.resolution)
        n_params = CostPredictor("n_params", space).predict(space.to_matrix([subnet]))
        return bytes(int(n_params[0]))

    monkeypatch.setattr(micro, "litert_file", file)
    monkeypatch.setattr(micro, "arena_of", lambda file: Arena(len(file) // 2, 0, 0))
    monkeypatch.setattr(micro, "read_litert", lambda file: LiteRTFile((), (), ("CONV_2D",)))
    monkeypatch.setattr(micro, "tflite_micro_version", lambda: "1")
    monkeypatch.setattr(micro, "converter_versions", lambda _: {"converter": "2"})
    monkeypatch.setattr(OptionalImport, "require", lambda self: None)
    return made


@pytest.fixture
def meters(supernet: Supernet, settings: EvaluationSettings) -> dict[str, MicroMeter]:
    return {metric: MicroMeter(metric, supernet, settings) for metric in ("sram_kb", "flash_kb")}


def test_the_values_are_those_of_the_file(
    space: SearchSpace, meters: dict[str, MicroMeter], files: list[Subnet]
) -> None:
    matrix = space.sample(3, seed=0)
    n_params = CostPredictor("n_params", space).predict(matrix)
    sram, flash = (meters[m].measure(space, matrix, None) for m in ("sram_kb", "flash_kb"))
    np.testing.assert_array_equal(flash.values, n_params / 1024)
    np.testing.assert_array_equal(sram.values, n_params // 2 / 1024)
    assert meters["flash_kb"](space.from_matrix(matrix)[0]) == flash.values[0]


def test_the_setup_says_what_measured_it(
    space: SearchSpace, meters: dict[str, MicroMeter], files: list[Subnet]
) -> None:
    setup = meters["sram_kb"].measure(space, space.sample(1, seed=0), None).setup
    assert setup["runtime"] == "tflite-micro"
    assert setup["versions"] == {"tflite-micro": "1", "converter": "2"}
    assert setup["precision"] == "int8"
    assert setup["pointer_bits"] in (32, 64)
    assert setup["calibration"]["n_images"] == 40
    assert len(setup["weights"]) == 64


def test_a_study_measures_what_it_has_predicted(
    make_study: Callable[..., SubnetStudy],
    space: SearchSpace,
    meters: dict[str, MicroMeter],
    files: list[Subnet],
) -> None:
    study = make_study(objectives=["top1", "n_macs"], constraints=BOARD)
    top1 = lambda subnet: 50.0  # noqa: E731
    found = study.verify({"top1": top1, **meters}, points=2)
    assert found.metrics == ("top1", "sram_kb", "flash_kb")
    for point in found:
        matrix = space.to_matrix([point.subnet])
        for metric in BOARD:
            assert point.predicted[metric] == CostPredictor(metric, space).predict(matrix)[0]
            assert point.measured[metric] != point.predicted[metric]
            assert point.measured_by[metric]["runtime"] == "tflite-micro"
    assert "sram_kb in INT8 (tflite-micro)" in str(found)
    without = study.verify({"top1": top1}, points=study.space.from_matrix(space.sample(1, seed=9)))
    assert without.points[0].measured.keys() == {"top1", "n_macs"}


def test_a_limit_that_the_real_arena_exceeds_is_seen(
    make_study: Callable[..., SubnetStudy],
    meters: dict[str, MicroMeter],
    files: list[Subnet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(micro, "arena_of", lambda file: Arena(1024 * 300, 0, 0))
    study = make_study(objectives=["top1", "n_macs"], constraints=BOARD)
    found = study.verify({"top1": lambda subnet: 50.0, "sram_kb": meters["sram_kb"]}, points=2)
    assert {point.measured["sram_kb"] for point in found} == {300.0}
    assert len(found.front) == 0  # predicted to fit, and do not
    assert len(study.front(kind="predicted")) > 0


def test_a_database_knows_them_as_long_as_the_weights_are_the_same(
    space: SearchSpace,
    make_study: Callable[..., SubnetStudy],
    supernet: Supernet,
    meters: dict[str, MicroMeter],
    settings: EvaluationSettings,
    files: list[Subnet],
    sqlite: str,
) -> None:
    def verified(name: str, meter: MicroMeter, points: Sequence[Subnet]) -> Any:
        study = make_study(
            objectives=["top1", "n_macs"], constraints=BOARD, storage=sqlite, study_name=name
        )
        return study.verify({"top1": lambda subnet: 50.0, "flash_kb": meter}, points=points)

    points = space.from_matrix(space.sample(2, seed=0))
    first = verified("a", meters["flash_kb"], points)
    assert len(files) == 2
    again = verified("b", MicroMeter("flash_kb", supernet, settings), points)
    assert len(files) == 2
    assert [p.measured["flash_kb"] for p in again] == [p.measured["flash_kb"] for p in first]
    (row, *_) = read_measurements(sqlite, space, metric="flash_kb")
    assert row.setup["runtime"] == "tflite-micro"
    with torch.no_grad():
        next(supernet.parameters()).add_(0.01)
    verified("c", meters["flash_kb"], points)
    assert len(files) == 4


def test_refine_measures_them_too(
    make_study: Callable[..., SubnetStudy], meters: dict[str, MicroMeter], files: list[Subnet]
) -> None:
    study = make_study(objectives=["top1", "sram_kb"])
    study.refine({"top1": lambda s: 50.0, "sram_kb": meters["sram_kb"]}, budget=2, rounds=1)
    assert len(study.results(kind="measured").numbers) == 2 == len(files)
    with pytest.raises(InvalidArgumentError, match=r"each objective that is not exact.*sram_kb"):
        study.refine({"top1": lambda s: 50.0}, budget=4)


def test_a_failing_subnet_is_named_and_three_stop(
    space: SearchSpace,
    make_study: Callable[..., SubnetStudy],
    meters: dict[str, MicroMeter],
    files: list[Subnet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(file: bytes) -> Arena:
        if fails.left:  # type: ignore[attr-defined]
            fails.left -= 1  # type: ignore[attr-defined]
            raise FormatError("TFLite Micro cannot run the file: no operator ERF")
        return Arena(2048, 0, 0)

    fails.left = 1  # type: ignore[attr-defined]
    monkeypatch.setattr(micro, "arena_of", fails)
    study = make_study(objectives=["top1", "sram_kb"])
    measure = {"top1": lambda subnet: 50.0, "sram_kb": meters["sram_kb"]}
    points = space.from_matrix(space.sample(4, seed=0))
    with pytest.warns(FailedMeasurementWarning, match="1 of 2 subnets .* no operator ERF"):
        assert len(study.verify(measure, points=points[:2])) == 1
    fails.left = 3  # type: ignore[attr-defined]
    with pytest.raises(FormatError, match="no operator ERF"):
        study.verify(measure, points=[points[0], *points[2:]])


def test_operators_that_it_lacks_are_named(
    space: SearchSpace,
    meters: dict[str, MicroMeter],
    files: list[Subnet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking = LiteRTFile((), (), ("BITCAST", "CONV_2D"))
    monkeypatch.setattr(micro, "read_litert", lambda file: lacking)
    with pytest.raises(InvalidArgumentError, match=r"TensorFlow Lite Micro alone.*lacks BITCAST"):
        meters["sram_kb"](space.smallest())
    assert meters["flash_kb"](space.smallest()) > 0


class Away(ThreadPoolExecutor):
    """A worker that does not see the files of the caller; counts the bytes of tasks."""

    n_bytes: tuple[int, ...] = ()

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        sent = pickle.dumps((function, args, kwargs))
        self.n_bytes += (len(sent),)
        return super().submit(*pickle.loads(sent)[:1], *pickle.loads(sent)[1])


@pytest.mark.parametrize("random", [False, True], ids=["supernet", "random"])
def test_workers_find_what_this_process_finds(
    space: SearchSpace,
    supernet: Supernet,
    settings: EvaluationSettings,
    meters: dict[str, MicroMeter],
    files: list[Subnet],
    monkeypatch: pytest.MonkeyPatch,
    random: bool,
) -> None:
    put = Shared.put
    monkeypatch.setattr(
        Shared, "put", lambda self, write: put(self, write)._replace(folder="/nowhere")
    )
    monkeypatch.setattr(micro, "_random_file", lambda subnet: bytes(len(str(subnet))))
    matrix = space.sample(12, seed=0)
    for metric in meters:
        meter = MicroMeter(metric) if random else meters[metric]
        expected = meter.measure(space, matrix, None)
        fresh = MicroMeter(metric, *(() if random else (supernet, settings)))
        with Away(1) as executor:
            found = fresh.on(executor).measure(space, matrix, None)
        np.testing.assert_array_equal(found.values, expected.values)
        assert found.setup == expected.setup
        assert sum(n > 4_000 for n in executor.n_bytes) <= (0 if random else 2)
    assert len(files) == (0 if random else 48)


def test_workers_with_other_packages_are_refused(
    space: SearchSpace,
    meters: dict[str, MicroMeter],
    files: list[Subnet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = micro._facts_here()
    here = threading.get_ident()
    monkeypatch.setattr(
        micro, "_facts_here", lambda: facts if threading.get_ident() == here else {"versions": {}}
    )
    with Away(1) as executor:
        found = meters["sram_kb"].on(executor).measure(space, space.sample(3, seed=0), None)
    assert re.search(r"`executor` must have the packages .* '1'.* has .*{}", str(found.stopped))
    assert np.isnan(found.values).all()


def test_wrong_arguments(
    make_study: Callable[..., SubnetStudy],
    supernet: Supernet,
    settings: EvaluationSettings,
    files: list[Subnet],
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`metric` must be .*'top1'"):
        MicroMeter("top1", supernet, settings)  # type: ignore[arg-type]
    for given in ({"supernet": supernet}, {"settings": settings}):
        with pytest.raises(InvalidArgumentError, match="`settings` must be EvaluationSettings"):
            MicroMeter("sram_kb", **given)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="`calibration` must be training images"):
        MicroMeter("sram_kb", supernet, EvaluationSettings(calibration=None))
    on_board = make_study(objectives=["top1", "n_macs"], constraints=BOARD)
    flash = MicroMeter("flash_kb", supernet, settings)
    with pytest.raises(InvalidArgumentError, match=r"`measure\['sram_kb'\]` must be a meter of sr"):
        on_board.verify({"sram_kb": flash})
    other = SearchSpace("ofa_mbv3_w1.0")
    with pytest.raises(FamilyMismatchError, match=r"`measure\['flash_kb'\]` must have a supernet"):
        flash.measure(other, other.sample(1, seed=0), None)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, space: SearchSpace) -> None:
    def refuse(self: OptionalImport) -> None:
        raise MissingDependencyError(f'pip install "optuna-ofa[{self.extra}]"')

    monkeypatch.setattr(OptionalImport, "require", lambda self: None)
    monkeypatch.setattr(OptionalImport, "check", refuse)
    with pytest.raises(MissingDependencyError, match=r"optuna-ofa\[microcontroller\]"):
        MicroMeter("sram_kb").measure(space, space.sample(1, seed=0), None)


@pytest.mark.litert
def test_one_file_serves_accuracy_arena_and_flash(
    make_study: Callable[..., SubnetStudy],
    supernet: Supernet,
    loader: DataLoader,
    settings: EvaluationSettings,
    meters: dict[str, MicroMeter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import optuna_ofa.evaluation._exported as exported

    made: list[bytes] = []
    original = exported.quantized_litert_of_net

    def convert(*arguments: Any) -> bytes:
        made.append(original(*arguments))
        return made[-1]

    monkeypatch.setattr(exported, "quantized_litert_of_net", convert)
    study = make_study(objectives=["top1", "n_macs"], constraints=BOARD)
    top1 = AccuracyMeter(supernet, loader, settings, runtime="litert", precision="int8")
    found = study.verify({"top1": top1, **meters}, points=[study.space.smallest()])
    (content,), (point,) = made, found
    assert point.measured["flash_kb"] == len(content) / 1024
    assert point.measured["sram_kb"] == micro.arena_of(content).total / 1024
    assert point.measured_by["top1"]["runtime"] == "litert"
    for metric, tolerance in {"sram_kb": 0.03, "flash_kb": 0.01}.items():
        assert point.measured[metric] == pytest.approx(point.predicted[metric], rel=tolerance)
    assert "top1 in INT8 (litert) on 40 images" in str(found)
    random = MicroMeter("sram_kb").measure(study.space, study.space.to_matrix([point.subnet]), None)
    assert random.values[0] == point.measured["sram_kb"]
    assert random.setup["weights"] == "random"
