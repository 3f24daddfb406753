"""Measuring latencies on devices: runtimes, latency tables, subnets, and errors of predictions."""

from optuna_ofa.profiling._elsewhere import (
    Elsewhere as Elsewhere,
    elsewhere as elsewhere,
    is_of_device as is_of_device,
    is_of_table as is_of_table,
)
from optuna_ofa.profiling._export import export_profile, table_from_folder
from optuna_ofa.profiling._graph_folder import anchor as anchor
from optuna_ofa.profiling._latencies import Latencies as Latencies
from optuna_ofa.profiling._measure import measure, require_no_folder as require_no_folder
from optuna_ofa.profiling._profile import profile
from optuna_ofa.profiling._report import (
    MACS as MACS,
    LatencyReport as LatencyReport,
    latency_report,
)
from optuna_ofa.profiling._runtimes import RUNTIMES as RUNTIMES
from optuna_ofa.profiling._settings import MeasurementSettings
from optuna_ofa.profiling.farms import FORMATS as FORMATS, collect_results as collect_results
from optuna_ofa.profiling.on_device import (
    GRAPHS_AT_ONCE as GRAPHS_AT_ONCE,
    LoadedGraph as LoadedGraph,
    NodeTime as NodeTime,
    Runtime,
    RuntimeSettings as RuntimeSettings,
    is_device_error as is_device_error,
)

__all__ = [
    "MeasurementSettings",
    "Runtime",
    "export_profile",
    "latency_report",
    "measure",
    "profile",
    "table_from_folder",
]
