"""Studies: search, storage and Pareto fronts."""

from optuna_ofa.studies._ask import Asked
from optuna_ofa.studies._create import study
from optuna_ofa.studies._front import Front, FrontPoint
from optuna_ofa.studies._metrics import METRICS, Metric
from optuna_ofa.studies._problem import Evaluation, Problem
from optuna_ofa.studies._study import SubnetStudy

__all__ = [
    "METRICS",
    "Asked",
    "Evaluation",
    "Front",
    "FrontPoint",
    "Metric",
    "Problem",
    "SubnetStudy",
    "study",
]
