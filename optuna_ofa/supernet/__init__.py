"""Supernets in torch: build one from a family, load its weights, activate or extract a subnet."""

from optuna_ofa.supernet._batch_norm import batch_norm_tensors
from optuna_ofa.supernet._blocks import build_layer
from optuna_ofa.supernet._checkpoint import (
    check_weights,
    load_supernet,
    read_tensors,
    save_supernet,
)
from optuna_ofa.supernet._elastic import Elastic as Elastic
from optuna_ofa.supernet._images import at_resolution, check_batch
from optuna_ofa.supernet._squeeze_excite import squeezed
from optuna_ofa.supernet._supernet import Supernet, build_plain, slot_modules

__all__ = [
    "Supernet",
    "at_resolution",
    "batch_norm_tensors",
    "build_layer",
    "build_plain",
    "check_batch",
    "check_weights",
    "load_supernet",
    "read_tensors",
    "save_supernet",
    "slot_modules",
    "squeezed",
]
