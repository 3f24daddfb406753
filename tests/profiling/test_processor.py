"""The name of the processor, of what the system reports."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from optuna_ofa.predictors import Conditions
from optuna_ofa.profiling.on_device import _folder

EPYC = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\n"
PI = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nModel\t\t: Raspberry Pi 4\n"


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (EPYC * 2, "cpu family 25, model 17, model name AMD EPYC", "AMD EPYC family 25 model 17"),
        (
            PI,
            "CPU implementer 0x41, CPU part 0xd08, Model Raspberry Pi 4",
            "Raspberry Pi 4 CPU implementer 0x41 CPU part 0xd08",
        ),
        ("", "riscv64", "riscv64"),
    ],
    ids=["x86", "arm", "none"],
)
def test_the_name_tells_processors_apart(
    text: str, name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(_folder, "Path", lambda _: tmp_path / "cpuinfo")
    here = SimpleNamespace(system=lambda: "Linux", machine=lambda: "riscv64")
    monkeypatch.setattr(_folder, "platform", here)
    assert _folder.processor_name() == name
    assert Conditions.of({"processor": name}).processor == words


def test_macos_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_folder, "Path", lambda _: tmp_path / "none")
    here = SimpleNamespace(system=lambda: "Darwin", machine=lambda: "arm64")
    monkeypatch.setattr(_folder, "platform", here)
    done = SimpleNamespace(stdout="Apple M2\n")
    monkeypatch.setattr(_folder.subprocess, "run", lambda *_, **__: done)
    assert _folder.processor_name() == "Apple M2"
    monkeypatch.setattr(_folder.subprocess, "run", _missing)
    assert _folder.processor_name() == "arm64"


def _missing(*_: object, **__: object) -> None:
    raise FileNotFoundError("sysctl")
