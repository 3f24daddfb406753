"""ExecuTorch on the processor, through XNNPACK."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ._runtime import LoadedGraph, NodeTime, RuntimeSettings, require_cpu, require_float32


class ExecuTorch:
    """The runtime of programs that were lowered to XNNPACK.

    Args:
        settings: Threads of XNNPACK's pool, and of torch's.

    Raises:
        ValueError: If a setting is not offered.
    """

    name = "executorch"
    suffix = ".pte"
    profiles = False

    def __init__(self, settings: RuntimeSettings) -> None:
        require_cpu(self.name, settings)
        require_float32(self.name, settings)
        self._threads = settings.threads

    def versions(self) -> dict[str, str]:
        """Return the version of ExecuTorch."""
        return {"executorch": metadata.version("executorch")}

    def load(self, path: Path, *, profile: bool = False) -> LoadedGraph:
        """Load a program and prepare its method ``forward``."""
        import torch
        from executorch.extension.pybindings import portable_lib

        # the large 7x7 convolutions run in torch's threads, not in XNNPACK's
        torch.set_num_threads(self._threads)
        if hasattr(portable_lib, "_unsafe_reset_threadpool"):
            portable_lib._unsafe_reset_threadpool(self._threads)
        return _Program(portable_lib._load_for_executorch(str(path)))


class _Program:
    def __init__(self, program: Any) -> None:
        import torch

        self._program = program
        shape = tuple(program.method_meta("forward").input_tensor_meta(0).sizes())
        x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        self._inputs = (torch.from_numpy(x),)

    def run(self) -> None:
        self._program.forward(self._inputs)

    def layer_times(self) -> list[list[NodeTime]]:
        raise NotImplementedError("the released packages of ExecuTorch cannot profile operators")
