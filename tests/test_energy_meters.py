"""The meters of energy in the examples, on counters that are no hardware."""

from __future__ import annotations

import itertools
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import optuna_ofa
from optuna_ofa import SearchSpace
from optuna_ofa.data import packaged_supernet
from optuna_ofa.exceptions import MeasurementError

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SPACE = SearchSpace("ofa_mbv3_fashion")
Import = Callable[[Path], ModuleType]


class NVMLError(Exception):
    """As that of pynvml: it has a code."""

    def __init__(self, value: int) -> None:
        super().__init__({3: "Not Supported", 4: "Insufficient Permissions"}.get(value, "Unknown"))
        self.value = value


class Nvml(ModuleType):
    """A GPU whose counter moves by 90 mJ from one reading to the next."""

    NVMLError = NVMLError
    NVML_ERROR_NOT_SUPPORTED, NVML_ERROR_NO_PERMISSION, NVML_ERROR_LIBRARY_NOT_FOUND = 3, 4, 12

    def __init__(self, *, step: int = 90, fault: int = 0, init_fault: int = 0) -> None:
        super().__init__("pynvml")
        self.readings = itertools.count(10**9, step)
        self.fault, self.init_fault = fault, init_fault

    def nvmlInit(self) -> None:
        if self.init_fault:
            raise NVMLError(self.init_fault)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return f"GPU {index}"

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: str) -> int:
        assert gpu == "GPU 0"
        if self.fault:
            raise NVMLError(self.fault)
        return next(self.readings)


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Nvml]:
    def install(**faults: int) -> Nvml:
        fake = Nvml(**faults)
        monkeypatch.setitem(sys.modules, "pynvml", fake)
        return fake

    return install


def gpu_meter(import_path: Import) -> Any:
    module = import_path(EXAMPLES / "energy_nvml.py")
    return module.GpuEnergy(packaged_supernet(), "cpu", batch=2, seconds=0.01)


def clock(monkeypatch: pytest.MonkeyPatch, module: ModuleType, calls_each: int) -> None:
    """Let every window of one second have some calls, by a clock that moves when it is read."""
    seconds: Iterator[float] = itertools.count(0, 1 / calls_each)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(seconds)))


def test_energy_is_the_increase_of_the_counter_by_images(
    nvml: Callable[..., Nvml], import_path: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml()
    module = import_path(EXAMPLES / "energy_nvml.py")
    meter = module.GpuEnergy(packaged_supernet(), "cpu", batch=2, seconds=1)
    clock(monkeypatch, module, 4)  # one reading before the loop, so three calls
    mean, std = meter(SPACE.smallest())
    assert (mean, std) == (pytest.approx(90 / (3 * 2)), pytest.approx(0))


def test_the_meter_verifies_a_metric(nvml: Callable[..., Nvml], import_path: Import) -> None:
    nvml()
    energy = optuna_ofa.Metric("energy_mj", unit="mJ", direction="minimize")
    study = optuna_ofa.study(SPACE, objectives=["top1", energy], seed=0)
    found = study.verify(
        {"energy_mj": gpu_meter(import_path)}, points=[SPACE.smallest(), SPACE.largest()]
    )
    assert "2 subnets measured" in str(found)


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"init_fault": 12}, "NVML: Unknown: this machine has no NVIDIA driver"),
        ({"fault": 3}, "NVML: Not Supported: the counter needs Volta or newer"),
        ({"fault": 4}, "Insufficient Permissions: this user or container may not read"),
        ({"fault": 15}, "NVML: Unknown$"),
    ],
    ids=["no driver", "not supported", "no permission", "lost"],
)
def test_a_gpu_without_a_counter_is_refused_before_measuring(
    nvml: Callable[..., Nvml], import_path: Import, faults: dict[str, int], message: str
) -> None:
    nvml(**faults)
    with pytest.raises(OSError, match=message):
        gpu_meter(import_path)


@pytest.mark.parametrize("step", [0, -5])
def test_a_counter_that_does_not_move_ends_measuring(
    nvml: Callable[..., Nvml], import_path: Import, step: int
) -> None:
    nvml(step=step)
    meter = gpu_meter(import_path)
    with pytest.raises(OSError, match=f"moved by {step} mJ in 0.01 s"):
        meter(SPACE.smallest())
    energy = optuna_ofa.Metric("energy_mj", unit="mJ", direction="minimize")
    study = optuna_ofa.study(SPACE, objectives=["top1", energy], seed=0)
    with pytest.raises(MeasurementError, match=f"moved by {step} mJ"):
        study.verify({"energy_mj": meter}, points=[SPACE.smallest()])


def test_a_gpu_that_torch_does_not_see_is_named(
    nvml: Callable[..., Nvml], import_path: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml()
    module = import_path(EXAMPLES / "energy_nvml.py")
    monkeypatch.setattr(module.torch.cuda, "is_available", lambda: False)
    with pytest.raises(OSError, match="this torch does not see a GPU: `--device cuda:0`"):
        module.GpuEnergy(packaged_supernet(), "cuda:0", batch=1, seconds=1)


def test_a_missing_extra_is_named(import_path: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(SystemExit, match=r"pip install 'optuna-ofa\[nvml\]'"):
        import_path(EXAMPLES / "energy_nvml.py")


def test_energy_of_a_gpu_is_measured_learned_and_searched(
    nvml: Callable[..., Nvml],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nvml()
    arguments = ["--device", "cpu", "--seconds", "0.02", "--evaluations", "300", "--folder"]
    monkeypatch.setattr(sys, "argv", ["energy_nvml.py", *arguments, str(tmp_path)])
    runpy.run_path(str(EXAMPLES / "energy_nvml.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert re.search(r"learned from 10 subnets; knee: .* mJ", out)
    assert "4 subnets measured" in out
    assert (tmp_path / "energy_nvml.html").is_file()


class Counter:
    """A file of the processor's counter, with its readings one after the other."""

    def __init__(self, folder: Path, *readings: int) -> None:
        self._readings = iter(readings)
        self._folder = folder

    def read_text(self) -> str:
        return str(next(self._readings))

    def with_name(self, name: str) -> Path:
        return self._folder / name


@pytest.fixture
def example(import_path: Import, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = import_path(EXAMPLES / "energy.py")
    monkeypatch.setattr(module, "SECONDS", 0.02)
    return module


def test_a_counter_that_starts_again_is_read_on(example: ModuleType, tmp_path: Path) -> None:
    counter = tmp_path / "energy_uj"
    (tmp_path / "max_energy_range_uj").write_text("10000\n")
    assert example.used_mj(4000, 9000, counter) == pytest.approx(5)
    assert example.used_mj(9000, 4000, counter) == pytest.approx(5)
    with pytest.raises(OSError, match="moved from 7 to 7: it does not work or is too coarse"):
        example.used_mj(7, 7, counter)


def test_a_counter_that_starts_again_without_a_maximum_is_refused(
    example: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="max_energy_range_uj"):
        example.used_mj(9, 4, tmp_path / "energy_uj")


def test_what_an_idle_processor_takes_is_subtracted(example: ModuleType, tmp_path: Path) -> None:
    # 1 and 5 J in about equal times: 4 J for all images of a window of 0.02 s
    measure = example.energy_meter(packaged_supernet(), Counter(tmp_path, 0, 10**6, 0, 5 * 10**6))
    found = measure(SPACE.smallest())
    assert np.isfinite(found)
    assert 0 < found < 5000


def test_a_processor_that_takes_more_when_idle_is_refused(
    example: ModuleType, tmp_path: Path
) -> None:
    measure = example.energy_meter(packaged_supernet(), Counter(tmp_path, 0, 10**9, 0, 10))
    with pytest.raises(RuntimeError, match="other programs use the processor"):
        measure(SPACE.smallest())
