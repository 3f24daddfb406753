"""Studies: the search of one supernet for one device."""

from optuna_ofa.studies._ask import Asked
from optuna_ofa.studies._budget import Budget as Budget
from optuna_ofa.studies._callbacks import (
    CallbacksFor as CallbacksFor,
    TrialCallback as TrialCallback,
    TrialCallbacks as TrialCallbacks,
)
from optuna_ofa.studies._create import study
from optuna_ofa.studies._engine import Engine as Engine
from optuna_ofa.studies._load import load_study as load_study
from optuna_ofa.studies._making import problem_of as problem_of
from optuna_ofa.studies._stored import (
    PREDICTORS as PREDICTORS,
    existing_name as existing_name,
    remember_predictors as remember_predictors,
)
from optuna_ofa.studies._study import SubnetStudy

__all__ = ["Asked", "SubnetStudy", "study"]
