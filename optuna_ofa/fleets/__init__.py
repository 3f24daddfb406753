"""Fleets: one study a device, searched together, and what transfers between devices."""

from optuna_ofa.fleets._create import fleet
from optuna_ofa.fleets._fleet import Fleet

__all__ = ["Fleet", "fleet"]
