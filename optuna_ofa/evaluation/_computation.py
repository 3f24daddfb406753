"""What computes the accuracy of a subnet: a runtime, in a number format."""

from __future__ import annotations

from typing import Literal, NamedTuple

Precision = Literal["float32", "int8"]
Runtime = Literal["torch", "onnxruntime", "litert"]

INT8 = "int8"
TORCH, ONNXRUNTIME, LITERT = "torch", "onnxruntime", "litert"


class Computation(NamedTuple):
    """What computes the accuracy of a subnet.

    Args:
        runtime: ``"torch"``, ``"onnxruntime"`` or ``"litert"``.
        precision: ``"float32"``, ``"int8"``, or another type of the weights in torch.
    """

    runtime: str = TORCH
    precision: str = "float32"

    @property
    def is_exported(self) -> bool:
        """Whether the network is one that `export` writes, for a runtime on the CPU."""
        return self.runtime != TORCH

    @property
    def is_int8(self) -> bool:
        """Whether the network is quantised, with ranges from calibration images."""
        return self.precision == INT8


LITERT_INT8 = Computation(LITERT, INT8)
