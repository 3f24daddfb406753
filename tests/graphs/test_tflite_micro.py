"""The arena that TFLite Micro's own interpreter reports."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from optuna_ofa._imports import OptionalImport
from optuna_ofa.exceptions import FormatError, MissingDependencyError
from optuna_ofa.graphs import TFLITE_MICRO, arena_of, tflite_micro_version
from optuna_ofa.graphs._tflite_micro import Arena


@pytest.fixture(scope="module")
def sine() -> bytes:
    """A network of three dense layers that comes with the package."""
    module = TFLITE_MICRO.check()
    assert module.__file__ is not None
    return (Path(module.__file__).parent / "sine_float.tflite").read_bytes()


def with_operator(content: bytes, code: int) -> bytes:
    """Return a network whose operators have another code."""
    flatbuffers = pytest.importorskip("flatbuffers")
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for operator in model.operatorCodes:
        operator.builtinCode, operator.deprecatedBuiltinCode = code, min(code, 127)
    for operator in model.subgraphs[0].operators:
        operator.builtinOptions, operator.builtinOptionsType = None, 0
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_buffers_outside(content: bytes) -> bytes:
    """Return a network whose weights follow its flatbuffer, as converters store large ones."""
    flatbuffers = pytest.importorskip("flatbuffers")
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    outside = b""
    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data):
            buffer.offset, buffer.size = len(content) + len(outside), len(buffer.data)
            outside, buffer.data = outside + bytes(buffer.data), None
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output()) + outside


@pytest.mark.litert
def test_the_figure_is_that_of_the_interpreter(sine: bytes) -> None:
    found = arena_of(sine)
    assert found.total == found.planned + found.persistent
    # two vectors of 16 floats live at once; TFLite Micro aligns them to 16 bytes
    assert found.planned == 2 * 16 * 4
    assert found.persistent > 0
    assert tflite_micro_version()


@pytest.mark.litert
@pytest.mark.parametrize("n", [0, 10, 1000], ids=["empty", "start", "half"])
def test_a_damaged_file(sine: bytes, n: int) -> None:
    with pytest.raises(FormatError, match="TFLite Micro cannot run the file; it ended with code"):
        arena_of(sine[:n])


@pytest.mark.litert
def test_an_operator_that_it_lacks(sine: bytes) -> None:
    with pytest.raises(FormatError, match=r"cannot run the file; .*code.*BITCAST"):
        arena_of(with_operator(sine, 159))


@pytest.mark.litert
def test_weights_outside_of_the_flatbuffer(sine: bytes) -> None:
    """The interpreter would report an arena with room for them, and compute with noise."""
    with pytest.raises(FormatError, match="weights outside of its flatbuffer"):
        arena_of(with_buffers_outside(sine))


@pytest.mark.litert
def test_a_process_that_does_not_end(sine: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: object, *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(FormatError, match="TFLite Micro did not end within 120 s"):
        arena_of(sine)


def report(monkeypatch: pytest.MonkeyPatch, text: str, code: int = 0) -> None:
    """Let the process of the interpreter say something."""

    def run(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], code, b"", text.encode())

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(OptionalImport, "check", lambda self: None)


def test_the_report_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    head = "[RecordingMicroAllocator] Arena allocation"
    text = f"{head} total 300 bytes\n{head} head 100 bytes\n{head} tail 200 bytes\n"
    report(monkeypatch, text)
    assert arena_of(b"") == Arena(total=300, planned=100, persistent=200)
    report(monkeypatch, text, code=-11)
    with pytest.raises(FormatError, match=r"ended with code -11: .*total 300 bytes"):
        arena_of(b"")
    report(monkeypatch, "")
    with pytest.raises(FormatError, match="it says nothing"):
        arena_of(b"")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: OptionalImport) -> None:
        raise MissingDependencyError(f'pip install "optuna-ofa[{self.extra}]"')

    monkeypatch.setattr(OptionalImport, "check", refuse)
    for call in (tflite_micro_version, lambda: arena_of(b"")):
        with pytest.raises(MissingDependencyError, match=r"optuna-ofa\[microcontroller\]"):
            call()
