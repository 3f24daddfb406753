"""Measuring devices: runtimes, latency tables, measured subnets, and how good predictions are."""

from optuna_ofa.profiling._profile import export_profile, profile, table_from_folder
from optuna_ofa.profiling.on_device._runtime import Network, NodeTime, Runtime, Settings

__all__ = [
    "Network",
    "NodeTime",
    "Runtime",
    "Settings",
    "export_profile",
    "profile",
    "table_from_folder",
]
