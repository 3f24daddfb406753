"""Pictures: for each one a step that collects what is shown, and one that draws it."""

from optuna_ofa.visualization._architecture import (
    ArchitectureRow,
    LayerBox,
    architecture_info,
    plot_architecture,
)
from optuna_ofa.visualization._latency import (
    MacsInfo,
    macs_info,
    plot_macs_latency,
    plot_predicted_latency,
)
from optuna_ofa.visualization._pareto_front import FrontInfo, front_info, plot_front

__all__ = [
    "ArchitectureRow",
    "FrontInfo",
    "LayerBox",
    "MacsInfo",
    "architecture_info",
    "front_info",
    "macs_info",
    "plot_architecture",
    "plot_front",
    "plot_macs_latency",
    "plot_predicted_latency",
]
