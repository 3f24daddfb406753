"""The problem of a study: metrics, constraints and predictors over a space."""

from optuna_ofa.problem._boards import board_constraints as board_constraints
from optuna_ofa.problem._constraints import (
    LIST_KEY as LIST_KEY,
    PREFIX as PREFIX,
    constraints_of as constraints_of,
    listed as listed,
    split_constraints as split_constraints,
    system_attributes as system_attributes,
    violation_of as violation_of,
    violations as violations,
)
from optuna_ofa.problem._evaluated import Evaluated, std_row as std_row
from optuna_ofa.problem._flaws import (
    PassedOver as PassedOver,
    flaw_of as flaw_of,
    flaw_of_attributes as flaw_of_attributes,
    flaws_in_words as flaws_in_words,
    is_number as is_number,
    numbers_by_name as numbers_by_name,
    shown as shown,
)
from optuna_ofa.problem._metric import METRICS, Metric, preferred as preferred
from optuna_ofa.problem._numbers import significant as significant
from optuna_ofa.problem._orientation import Orientation as Orientation
from optuna_ofa.problem._partial import (
    Items as Items,
    error_in_words as error_in_words,
    in_parts as in_parts,
    warn_failed as warn_failed,
)
from optuna_ofa.problem._problem import Attempt as Attempt, Problem, known_metrics as known_metrics
from optuna_ofa.problem._told import (
    require_in_order as require_in_order,
    require_measured as require_measured,
)
from optuna_ofa.problem._vocabulary import (
    ASKED as ASKED,
    CHOSEN_AFTER as CHOSEN_AFTER,
    CLAIM as CLAIM,
    CORRECTED_WITH as CORRECTED_WITH,
    DESCRIPTION as DESCRIPTION,
    MEASURED as MEASURED,
    MEASURED_BY as MEASURED_BY,
    MEASURED_IMAGES as MEASURED_IMAGES,
    MEASURED_ON as MEASURED_ON,
    MEASURED_STD as MEASURED_STD,
    NOT_MEASURED as NOT_MEASURED,
    PREDICTED as PREDICTED,
    PREDICTION as PREDICTION,
    PREDICTION_STD as PREDICTION_STD,
    RELEASED as RELEASED,
    SUMMARY_KEY as SUMMARY_KEY,
    TRIAL_ARTIFACTS as TRIAL_ARTIFACTS,
    VIEW as VIEW,
    Keep as Keep,
    Kind as Kind,
    Parameters as Parameters,
)

__all__ = ["METRICS", "Evaluated", "Metric", "Problem"]
