"""Exporting subnets to files for runtimes, and several subnets of one supernet at once."""

from optuna_ofa.deployment._agreement import Agreement as Agreement, compare_exported
from optuna_ofa.deployment._export import export
from optuna_ofa.deployment._figures import (
    KnownValue as KnownValue,
    figures_of,
    value_in_words as value_in_words,
)
from optuna_ofa.deployment._formats import FORMATS as FORMATS
from optuna_ofa.deployment._read import load_exported, read_metadata
from optuna_ofa.deployment._switcher import SubnetSwitcher

__all__ = [
    "SubnetSwitcher",
    "compare_exported",
    "export",
    "figures_of",
    "load_exported",
    "read_metadata",
]
