"""Measuring devices: runtimes, latency tables, measured subnets, and how good predictions are."""

from optuna_ofa.profiling._export import MAX_SPREAD as MAX_SPREAD, export_profile, table_from_folder
from optuna_ofa.profiling._measure import measure
from optuna_ofa.profiling._measurements import Measurements
from optuna_ofa.profiling._profile import profile
from optuna_ofa.profiling._report import MACS as MACS, LatencyReport, latency_report
from optuna_ofa.profiling.on_device._folder import BATCH as BATCH
from optuna_ofa.profiling.on_device._runtime import Network, NodeTime, Runtime, Settings

__all__ = [
    "LatencyReport",
    "Measurements",
    "Network",
    "NodeTime",
    "Runtime",
    "Settings",
    "export_profile",
    "latency_report",
    "measure",
    "profile",
    "table_from_folder",
]
