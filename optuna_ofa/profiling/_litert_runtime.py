"""LiteRT in this process, without the line that it writes to the standard error."""

from __future__ import annotations

import tempfile
from pathlib import Path

from optuna_ofa._quiet import silent
from optuna_ofa.graphs import write_litert
from optuna_ofa.profiling.on_device import LiteRT, RuntimeSettings
from optuna_ofa.space import Layer

_ANY = Layer("pool", "avg_pool", 1, 1, 1, 1)


class QuietLiteRT(LiteRT):
    """LiteRT after its first graph, for which it names its delegate, once in a process.

    Args:
        settings: As in `LiteRT`.

    Raises:
        ValueError: If a setting is not offered.
    """

    def __init__(self, settings: RuntimeSettings) -> None:
        super().__init__(settings)
        with silent(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "any.tflite"
            write_litert([_ANY], path, 1)
            self.load(path)
