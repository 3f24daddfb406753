"""Supernets from pretrained networks of other packages: their weights by their keys."""

from optuna_ofa.pretrained._calibrate import calibrate as calibrate
from optuna_ofa.pretrained._supernet_from import supernet_from

__all__ = ["supernet_from"]
