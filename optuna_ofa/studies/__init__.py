"""Studies: search, storage and Pareto fronts."""

from optuna_ofa.studies._ask import Asked
from optuna_ofa.studies._create import study
from optuna_ofa.studies._engine import generations as generations, require_number as require_number
from optuna_ofa.studies._study import SubnetStudy

__all__ = ["Asked", "SubnetStudy", "study"]
