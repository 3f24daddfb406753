"""Figures: each function collects the data of one plot and returns it as a plotly figure."""

from optuna_ofa.visualization._accuracy_macs import plot_accuracy_macs
from optuna_ofa.visualization._architecture import (
    architecture_info as architecture_info,
    plot_architecture,
)
from optuna_ofa.visualization._choices import plot_choices
from optuna_ofa.visualization._front_axes import across_and_up as across_and_up
from optuna_ofa.visualization._fronts import plot_fronts
from optuna_ofa.visualization._hypervolume import (
    draw_hypervolume as draw_hypervolume,
    hypervolume_info as hypervolume_info,
    plot_hypervolume,
)
from optuna_ofa.visualization._latency import plot_macs_latency, plot_predicted_latency
from optuna_ofa.visualization._layer_latency import plot_layer_latency
from optuna_ofa.visualization._pareto_front import plot_front
from optuna_ofa.visualization._training import plot_training
from optuna_ofa.visualization._transfer import plot_transfer
from optuna_ofa.visualization._verification import plot_verification

__all__ = [
    "plot_accuracy_macs",
    "plot_architecture",
    "plot_choices",
    "plot_front",
    "plot_fronts",
    "plot_hypervolume",
    "plot_layer_latency",
    "plot_macs_latency",
    "plot_predicted_latency",
    "plot_training",
    "plot_transfer",
    "plot_verification",
]
