"""The public names: `__init__.py` imports a module when a name of it is first used."""

from . import (
    costs,
    dashboard,
    data,
    deployment,
    evaluation,
    exceptions,
    fleets,
    formats,
    fronts,
    predictors,
    problem,
    profiling,
    reports,
    samplers,
    space,
    studies,
    supernet,
    training,
    verification,
    visualization,
)
from ._downloads import fetch
from ._published import PublishedFile, published
from .evaluation import EvaluationSettings, evaluate, recalibrate
from .exceptions import OptunaOFAError
from .fleets import Fleet, fleet
from .fronts import Front, FrontPoint, TransferMatrix
from .measurements import Measurement, read_measurements
from .predictors import (
    AccuracyPredictor,
    ConfidenceBound,
    LatencyPredictor,
    LatencyTable,
    NetworkLatencyPredictor,
    Predictor,
)
from .profiling import (
    MeasurementSettings,
    export_profile,
    latency_report,
    measure,
    profile,
    table_from_folder,
)
from .space import SearchSpace, Subnet, families, get_family
from .studies import Asked, SubnetStudy, study
from .supernet import Supernet, load_supernet, save_supernet
from .verification import AccuracyMeter, LatencyMeter, Verification

__version__: str

__all__ = [
    "AccuracyMeter",
    "AccuracyPredictor",
    "Asked",
    "ConfidenceBound",
    "EvaluationSettings",
    "Fleet",
    "Front",
    "FrontPoint",
    "LatencyMeter",
    "LatencyPredictor",
    "LatencyTable",
    "Measurement",
    "MeasurementSettings",
    "NetworkLatencyPredictor",
    "OptunaOFAError",
    "Predictor",
    "PublishedFile",
    "SearchSpace",
    "Subnet",
    "SubnetStudy",
    "Supernet",
    "TransferMatrix",
    "Verification",
    "__version__",
    "costs",
    "dashboard",
    "data",
    "deployment",
    "evaluate",
    "evaluation",
    "exceptions",
    "export_profile",
    "families",
    "fetch",
    "fleet",
    "fleets",
    "formats",
    "fronts",
    "get_family",
    "latency_report",
    "load_supernet",
    "measure",
    "predictors",
    "problem",
    "profile",
    "profiling",
    "published",
    "read_measurements",
    "recalibrate",
    "reports",
    "samplers",
    "save_supernet",
    "space",
    "studies",
    "study",
    "supernet",
    "table_from_folder",
    "training",
    "verification",
    "visualization",
]
