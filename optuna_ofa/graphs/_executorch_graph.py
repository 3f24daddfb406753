"""Programs for ExecuTorch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from optuna_ofa._imports import try_import
from optuna_ofa._quiet import quiet
from optuna_ofa.graphs._torch_net import build_net, example_input
from optuna_ofa.space import Layer

_exir = try_import("executorch.exir", extra="executorch")
_xnnpack = try_import(
    "executorch.backends.xnnpack.partition.xnnpack_partitioner", extra="executorch"
)
EXECUTORCH = (_exir, _xnnpack)


def write_executorch(layers: Sequence[Layer], path: Path, batch: int) -> None:
    """Lower a network with random weights to XNNPACK and write the program.

    Raises:
        MissingDependencyError: If ExecuTorch is not installed.
    """
    path.write_bytes(program_of(build_net(layers, fold=True), example_input(layers, batch)))


def program_of(net: nn.Module, example: Tensor) -> bytes:
    """Return the program of a network, lowered to XNNPACK.

    Args:
        net: The network, without batch normalisation.
        example: Images of the shape that the program accepts.

    Raises:
        MissingDependencyError: If ExecuTorch is not installed.
    """
    exir, xnnpack = _exir.check(), _xnnpack.check()
    from torch.export import export

    with quiet():
        program = export(net, (example,))
        edge = exir.to_edge_transform_and_lower(program, partitioner=[xnnpack.XnnpackPartitioner()])
        return bytes(edge.to_executorch().buffer)
