"""Pictures: for each one a step that collects what is shown, and one that draws it."""

from optuna_ofa.visualization._accuracy_macs import (
    AccuracyMacsInfo,
    accuracy_macs_info,
    plot_accuracy_macs,
)
from optuna_ofa.visualization._architecture import plot_architecture
from optuna_ofa.visualization._architecture_info import ArchitectureRow, LayerBox, architecture_info
from optuna_ofa.visualization._choices import ChoicesInfo, choices_info, plot_choices
from optuna_ofa.visualization._front_info import (
    KINDS as KINDS,
    FrontInfo,
    front_info,
    spread_out as spread_out,
)
from optuna_ofa.visualization._fronts import FrontsInfo, fronts_info, plot_fronts
from optuna_ofa.visualization._hypervolume import (
    HypervolumeInfo,
    HypervolumeProgress,
    hypervolume_info,
    plot_hypervolume,
)
from optuna_ofa.visualization._latency import (
    MacsInfo,
    macs_info,
    plot_macs_latency,
    plot_predicted_latency,
)
from optuna_ofa.visualization._layer_latency import (
    LayerLatencyInfo,
    layer_latency_info,
    plot_layer_latency,
)
from optuna_ofa.visualization._pareto_front import plot_front
from optuna_ofa.visualization._training import TrainingInfo, plot_training, training_info
from optuna_ofa.visualization._transfer import TransferInfo, plot_transfer, transfer_info
from optuna_ofa.visualization._verification import (
    VerificationInfo,
    plot_verification,
    verification_info,
)

__all__ = [
    "AccuracyMacsInfo",
    "ArchitectureRow",
    "ChoicesInfo",
    "FrontInfo",
    "FrontsInfo",
    "HypervolumeInfo",
    "HypervolumeProgress",
    "LayerBox",
    "LayerLatencyInfo",
    "MacsInfo",
    "TrainingInfo",
    "TransferInfo",
    "VerificationInfo",
    "accuracy_macs_info",
    "architecture_info",
    "choices_info",
    "front_info",
    "fronts_info",
    "hypervolume_info",
    "layer_latency_info",
    "macs_info",
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
    "training_info",
    "transfer_info",
    "verification_info",
]
