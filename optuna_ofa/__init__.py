"""Hardware-aware architecture search over Once-for-All supernets, as an Optuna plugin."""

from importlib.metadata import version

from optuna_ofa._downloads import fetch
from optuna_ofa._errors import (
    DivergedTrainingError,
    DownloadError,
    EmptyFrontError,
    ExtrapolationWarning,
    FailedMeasurementWarning,
    FailedPredictionWarning,
    FamilyMismatchError,
    FormatError,
    InfeasibleConstraintError,
    InvalidArgumentError,
    InvalidSubnetError,
    MeasurementError,
    MissingDependencyError,
    MissingEntryError,
    NoisyDeviceError,
    NoisyDeviceWarning,
    OptunaOFAError,
    PredictionError,
    SearchSpaceExhaustedError,
    StorageError,
    StudyMismatchError,
)
from optuna_ofa._published import PublishedFile, published
from optuna_ofa.evaluation import Accuracies, evaluate, recalibrate, weights_hash
from optuna_ofa.fleets import Fleet, TransferMatrix, fleet
from optuna_ofa.measured import Measurement, measurements
from optuna_ofa.predictors import (
    AccuracyPredictor,
    LatencyPredictor,
    LatencyTable,
    NetworkLatencyPredictor,
    Predictor,
)
from optuna_ofa.profiling import (
    LatencyReport,
    Measurements,
    export_profile,
    latency_report,
    measure,
    profile,
    table_from_folder,
)
from optuna_ofa.space import SearchSpace, Subnet, families, get_family
from optuna_ofa.studies import Asked, Front, FrontPoint, SubnetStudy, study
from optuna_ofa.supernet import Supernet, load_supernet, save_supernet
from optuna_ofa.verification import AccuracyMeter, LatencyMeter, Verification

__version__ = version("optuna-ofa")

__all__ = [
    "Accuracies",
    "AccuracyMeter",
    "AccuracyPredictor",
    "Asked",
    "DivergedTrainingError",
    "DownloadError",
    "EmptyFrontError",
    "ExtrapolationWarning",
    "FailedMeasurementWarning",
    "FailedPredictionWarning",
    "FamilyMismatchError",
    "Fleet",
    "FormatError",
    "Front",
    "FrontPoint",
    "InfeasibleConstraintError",
    "InvalidArgumentError",
    "InvalidSubnetError",
    "LatencyMeter",
    "LatencyPredictor",
    "LatencyReport",
    "LatencyTable",
    "Measurement",
    "MeasurementError",
    "Measurements",
    "MissingDependencyError",
    "MissingEntryError",
    "NetworkLatencyPredictor",
    "NoisyDeviceError",
    "NoisyDeviceWarning",
    "OptunaOFAError",
    "PredictionError",
    "Predictor",
    "PublishedFile",
    "SearchSpace",
    "SearchSpaceExhaustedError",
    "StorageError",
    "StudyMismatchError",
    "Subnet",
    "SubnetStudy",
    "Supernet",
    "TransferMatrix",
    "Verification",
    "__version__",
    "evaluate",
    "export_profile",
    "families",
    "fetch",
    "fleet",
    "get_family",
    "latency_report",
    "load_supernet",
    "measure",
    "measurements",
    "profile",
    "published",
    "recalibrate",
    "save_supernet",
    "study",
    "table_from_folder",
    "weights_hash",
]
