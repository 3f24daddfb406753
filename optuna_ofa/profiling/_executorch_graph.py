"""Programs for ExecuTorch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

from optuna_ofa._imports import try_import
from optuna_ofa.profiling._torch_net import build_net, example_input
from optuna_ofa.space import Layer

_exir = try_import("executorch.exir", extra="executorch")
_xnnpack = try_import(
    "executorch.backends.xnnpack.partition.xnnpack_partitioner", extra="executorch"
)


def write_executorch(layers: Sequence[Layer], path: Path, batch: int) -> None:
    """Lower a network to XNNPACK and write the program.

    Raises:
        MissingDependencyError: If ExecuTorch is not installed.
    """
    exir, xnnpack = _exir.check(), _xnnpack.check()
    from torch.export import export

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disabled = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            program = export(build_net(layers, fold=True), (example_input(layers, batch),))
            edge = exir.to_edge_transform_and_lower(
                program, partitioner=[xnnpack.XnnpackPartitioner()]
            )
            path.write_bytes(edge.to_executorch().buffer)
        finally:
            logging.disable(disabled)
