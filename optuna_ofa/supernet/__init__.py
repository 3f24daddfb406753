"""Supernets in torch: build one from a family, load its weights, activate or extract a subnet."""

from optuna_ofa.supernet._blocks import build_layer
from optuna_ofa.supernet._checkpoint import load_supernet, save_supernet
from optuna_ofa.supernet._supernet import Supernet

__all__ = ["Supernet", "build_layer", "load_supernet", "save_supernet"]
