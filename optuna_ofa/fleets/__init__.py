"""Fleets: one study per device, searched together, and how subnets transfer between devices."""

from optuna_ofa.fleets._create import fleet
from optuna_ofa.fleets._fleet import Fleet

__all__ = ["Fleet", "fleet"]
