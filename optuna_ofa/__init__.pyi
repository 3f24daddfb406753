"""The public names: `__init__.py` imports a module when a name of it is first used."""

from . import (
    dashboard,
    data,
    deployment,
    evaluation,
    exceptions,
    fronts,
    predictors,
    profiling,
    reports,
    samplers,
    space,
    training,
    visualization,
)
from ._downloads import fetch
from ._published import published
from .evaluation import EvaluationSettings, evaluate
from .exceptions import OptunaOFAError
from .fleets import fleet
from .fronts import Front, FrontPoint as FrontPoint
from .measurements import read_measurements
from .predictors import AccuracyPredictor, LatencyPredictor, LatencyTable, NetworkLatencyPredictor
from .pretrained import supernet_from
from .problem import Metric
from .profiling import MeasurementSettings, export_profile, latency_report, measure, profile
from .space import SearchSpace, Subnet, families, get_family
from .studies import SubnetStudy, load_study, study
from .supernet import Supernet, load_supernet, save_supernet
from .verification import AccuracyMeter, LatencyMeter

__version__: str

__all__ = [
    "AccuracyMeter",
    "AccuracyPredictor",
    "EvaluationSettings",
    "Front",
    "LatencyMeter",
    "LatencyPredictor",
    "LatencyTable",
    "MeasurementSettings",
    "Metric",
    "NetworkLatencyPredictor",
    "OptunaOFAError",
    "SearchSpace",
    "Subnet",
    "SubnetStudy",
    "Supernet",
    "__version__",
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
    "fronts",
    "get_family",
    "latency_report",
    "load_study",
    "load_supernet",
    "measure",
    "predictors",
    "profile",
    "profiling",
    "published",
    "read_measurements",
    "reports",
    "samplers",
    "save_supernet",
    "space",
    "study",
    "supernet_from",
    "training",
    "visualization",
]
