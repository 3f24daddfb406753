"""Exports for LiteRT and microcontrollers."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optuna_ofa import Subnet, Supernet
from optuna_ofa._imports import OptionalImport
from optuna_ofa.deployment import (
    _litert_format,
    compare_exported,
    export,
    load_exported,
    read_metadata,
)
from optuna_ofa.deployment._c_array import c_name, content_of
from optuna_ofa.exceptions import FormatError, InvalidArgumentError, MissingDependencyError
from optuna_ofa.graphs import arena_of, read_litert
from optuna_ofa.supernet import resize_images

FILES = {"litert": "net.tflite", "litert_int8": "net.int8.tflite", "c_array": "net-1.h"}
INT8 = tuple(FILES)[1:]


class Exported(NamedTuple):
    """One subnet in all formats of LiteRT."""

    folder: Path

    def path(self, format: str) -> Path:
        return self.folder / FILES[format]

    def content(self, format: str) -> bytes:
        content = self.path(format).read_bytes()
        return content_of(content) if format == "c_array" else content


@pytest.fixture(scope="module")
def exported(
    supernet: Supernet, subnet: Subnet, calibration: Tensor, tmp_path_factory: Any
) -> Exported:
    made = Exported(tmp_path_factory.mktemp("litert"))
    for format in FILES:
        export(supernet, subnet, made.path(format), format=format, calibration=calibration)
    return made


@pytest.mark.litert
class TestFiles:
    def test_float_logits_are_those_of_the_recalibrated_subnet(
        self, exported: Exported, expected: nn.Module, images: Tensor
    ) -> None:
        found = compare_exported(exported.path("litert"), expected, images)
        assert found.n_images == 64
        assert found.max_difference < 1e-4
        assert found.same_top1 == 1

    @pytest.mark.parametrize("format", INT8)
    def test_integers_are_near_for_images_like_those_of_the_calibration(
        self, exported: Exported, expected: nn.Module, calibration: Tensor, format: str
    ) -> None:
        images = resize_images(calibration, 16)
        found = compare_exported(exported.path(format), expected, images)
        assert 0 < found.max_difference < 0.1
        assert found.same_top1 > 0.9

    @pytest.mark.parametrize("format", FILES)
    def test_the_metadata_are_those_of_the_file(
        self, exported: Exported, subnet: Subnet, format: str
    ) -> None:
        known = read_metadata(exported.path(format))
        file = read_litert(exported.content(format))
        (images,), (logits,) = file.inputs, file.outputs
        kind = "int8" if format in INT8 else "float32"
        assert known["precision"] == known["input"]["dtype"] == known["output"]["dtype"] == kind
        assert known["input"]["layout"] == "NHWC"
        assert known["input"]["shape"] == list(images.shape) == [1, 16, 16, 3]
        assert known["output"]["shape"] == list(logits.shape) == [1, 4]
        assert known["operators"] == list(file.operators)
        assert known["runtimes"][0] == "litert"
        if format in INT8:
            assert known["input"]["scale"] == images.scale > 0
            assert known["output"]["zero_point"] == logits.zero_point
        else:
            assert "scale" not in known["input"]

    def test_scales_and_zero_points_are_those_that_a_device_applies(
        self, exported: Exported, images: Tensor
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter

        known = read_metadata(exported.path("litert_int8"))
        pixels = images[:1].permute(0, 2, 3, 1).numpy()
        stored = np.round(pixels / known["input"]["scale"]) + known["input"]["zero_point"]
        interpreter = Interpreter(model_content=exported.content("litert_int8"))
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, stored.clip(-128, 127).astype(np.int8))
        interpreter.invoke()
        found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        logits = known["output"]["scale"] * (found.astype(float) - known["output"]["zero_point"])
        run = load_exported(exported.path("litert_int8"))
        np.testing.assert_allclose(logits, run(images[:1]).numpy(), atol=1e-5)

    def test_another_batch(
        self,
        supernet: Supernet,
        subnet: Subnet,
        calibration: Tensor,
        images: Tensor,
        exported: Exported,
        tmp_path: Path,
    ) -> None:
        path = tmp_path / "net"
        arguments = {"format": "litert_int8", "calibration": calibration}
        made = export(supernet, subnet, path, batch=3, **arguments)
        assert made["input"]["shape"] == [3, 16, 16, 3]
        run, one = load_exported(path), load_exported(exported.path("litert_int8"))
        torch.testing.assert_close(run(images[:5]), one(images[:5]), atol=0.1, rtol=0)

    @pytest.mark.parametrize("format", FILES)
    def test_a_damaged_file_does_not_end_the_process(
        self, exported: Exported, tmp_path: Path, format: str
    ) -> None:
        path = tmp_path / FILES[format]
        content = bytearray(exported.path(format).read_bytes())
        start = content.index(b"0x") if format == "c_array" else 8
        fill = b"0x00, " * 40 if format == "c_array" else bytes(2000)
        content[start : start + len(fill)] = fill
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        known = dict(read_metadata(exported.path(format)))
        known["files"] = {path.name: {"bytes": len(content), "sha256": digest}}
        Path(f"{path}.json").write_text(json.dumps(known))
        with pytest.raises(FormatError, match=r"cannot be read: LiteRT ended with code"):
            load_exported(path)


@pytest.mark.litert
class TestCArray:
    def test_it_is_the_file_in_integers(self, exported: Exported) -> None:
        assert exported.content("c_array") == exported.content("litert_int8")

    @pytest.mark.parametrize(("compiler", "language"), [("gcc", "c"), ("g++", "c++")])
    def test_it_compiles(
        self, exported: Exported, tmp_path: Path, compiler: str, language: str
    ) -> None:
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not installed")
        source, program = tmp_path / "main.c", tmp_path / "main"
        source.write_text(
            f'#include "{exported.path("c_array")}"\n#include <stdio.h>\n'
            "int main(void) {\n"
            "  if ((unsigned long)(const void*)net_1_tflite % 16) return 1;\n"
            "  fwrite(net_1_tflite, 1, NET_1_TFLITE_LENGTH, stdout);\n"
            '  fprintf(stderr, "%d %g %d", NET_1_TFLITE_ARENA_BYTES, NET_1_TFLITE_INPUT_SCALE,'
            " NET_1_TFLITE_INPUT_ZERO_POINT);\n  return 0;\n}\n"
        )
        flags = ["-x", language, "-Wall", "-Wextra", "-Werror", "-pedantic"]
        subprocess.run([compiler, *flags, str(source), "-o", str(program)], check=True)
        ran = subprocess.run([str(program)], capture_output=True, check=True)
        assert ran.stdout == exported.content("litert_int8")
        known = read_metadata(exported.path("c_array"))
        arena, scale, zero = ran.stderr.decode().split()
        assert int(arena) == known["arena_bytes"] == arena_of(ran.stdout).total
        assert float(scale) == pytest.approx(known["input"]["scale"], rel=1e-5)
        assert int(zero) == known["input"]["zero_point"]

    def test_the_arena_is_predicted_without_tflite_micro(
        self,
        exported: Exported,
        supernet: Supernet,
        subnet: Subnet,
        calibration: Tensor,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        missing = OptionalImport("no_such_module", "microcontroller")
        monkeypatch.setattr(_litert_format, "TFLITE_MICRO", missing)
        path = tmp_path / "net.h"
        made = export(supernet, subnet, path, format="c_array", calibration=calibration)
        assert made["arena_bytes"] == read_metadata(exported.path("c_array"))["arena_bytes"]
        assert f"Arena: {made['arena_bytes']} bytes, predicted for" in path.read_text()

    def test_it_lists_what_a_resolver_needs(self, exported: Exported) -> None:
        text = exported.path("c_array").read_text()
        n = len(read_metadata(exported.path("c_array"))["operators"])
        assert f"tflite::MicroMutableOpResolver<{n}> resolver;" in text
        assert "resolver.AddDepthwiseConv2D();" in text
        assert text.count("resolver.Add") == n


@pytest.mark.parametrize(
    ("stem", "name"), [("low", "low_tflite"), ("w1.2-a", "w1_2_a_tflite"), ("2", "net_2_tflite")]
)
def test_arrays_have_names_of_c(stem: str, name: str) -> None:
    assert c_name(stem) == name


class TestBadInput:
    @pytest.mark.parametrize("format", INT8)
    def test_no_calibration(
        self, supernet: Supernet, subnet: Subnet, tmp_path: Path, format: str
    ) -> None:
        rule = f"`calibration` must be images for '{format}', but got None"
        with pytest.raises(InvalidArgumentError, match=rule):
            export(supernet, subnet, tmp_path / "a", format=format, calibration=None)

    @pytest.mark.parametrize(
        ("format", "batch", "rule"),
        [
            ("litert", None, "a number"),
            ("litert_int8", None, "a number"),
            ("c_array", None, "1"),
            ("c_array", 2, "1"),
        ],
    )
    def test_a_number_of_images(
        self,
        supernet: Supernet,
        subnet: Subnet,
        calibration: Tensor,
        tmp_path: Path,
        format: str,
        batch: int | None,
        rule: str,
    ) -> None:
        arguments = {"format": format, "calibration": calibration, "batch": batch}
        with pytest.raises(InvalidArgumentError, match=f"`batch` must be {rule} for '{format}'"):
            export(supernet, subnet, tmp_path / "a", **arguments)

    @pytest.mark.litert
    @pytest.mark.parametrize("format", FILES)
    def test_another_ending(
        self, supernet: Supernet, subnet: Subnet, calibration: Tensor, tmp_path: Path, format: str
    ) -> None:
        ending = ".h" if format == "c_array" else ".tflite"
        with pytest.raises(InvalidArgumentError, match=rf"`path` must end in \{ending}, or have"):
            export(supernet, subnet, tmp_path / "a.bin", format=format, calibration=calibration)

    @pytest.mark.parametrize(
        ("format", "module", "extra"),
        [
            ("litert", "ai_edge_litert", "litert"),
            ("litert_int8", "ai_edge_litert", "litert"),
            ("litert_int8", "ai_edge_quantizer", "litert"),
            ("c_array", "ai_edge_quantizer", "litert"),
        ],
    )
    def test_a_package_that_is_not_installed(
        self,
        supernet: Supernet,
        subnet: Subnet,
        calibration: Tensor,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        format: str,
        module: str,
        extra: str,
    ) -> None:
        known = OptionalImport.require

        def require(self: OptionalImport) -> None:
            if self.module == module:
                raise self._missing("it is not installed")
            if find_spec(self.module.split(".")[0]) is not None:
                known(self)

        monkeypatch.setattr(OptionalImport, "require", require)
        path = tmp_path / "a"
        with pytest.raises(MissingDependencyError, match=rf"`{module}`.*optuna-ofa\[{extra}\]"):
            export(supernet, subnet, path, format=format, calibration=calibration)
        assert not list(tmp_path.iterdir())

    @pytest.mark.litert
    def test_an_operator_that_tflite_micro_lacks(
        self,
        supernet: Supernet,
        subnet: Subnet,
        calibration: Tensor,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        made = _litert_format.make_litert_int8

        def with_another(deployable: Any) -> dict[str, bytes]:
            schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
            model = schema.ModelT.InitFromPackedBuf(made(deployable)[""], 0)
            model.operatorCodes[0].builtinCode = schema.BuiltinOperator.GELU
            builder = pytest.importorskip("flatbuffers").Builder(1024)
            builder.Finish(model.Pack(builder), b"TFL3")
            return {"": bytes(builder.Output())}

        monkeypatch.setattr(_litert_format, "make_litert_int8", with_another)
        with pytest.raises(InvalidArgumentError, match=r"`net` must .* but it lacks GELU\."):
            export(supernet, subnet, tmp_path / "a", format="c_array", calibration=calibration)
        assert not list(tmp_path.iterdir())
