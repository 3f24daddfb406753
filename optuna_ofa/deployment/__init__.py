"""From a subnet to what runs: exported files, and several subnets of one supernet at once."""

from optuna_ofa.deployment._agreement import Agreement, compare_exported
from optuna_ofa.deployment._export import export, load_exported
from optuna_ofa.deployment._figures import Figure, figures_of
from optuna_ofa.deployment._metadata import read_metadata
from optuna_ofa.deployment._switcher import SubnetSwitcher

__all__ = [
    "Agreement",
    "Figure",
    "SubnetSwitcher",
    "compare_exported",
    "export",
    "figures_of",
    "load_exported",
    "read_metadata",
]
