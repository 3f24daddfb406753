"""The words that are stored with trials and studies."""

from __future__ import annotations

from typing import Final, Literal

# What the user attribute `kind` of a trial says of its values: by an objective of the user's own,
# as where there is none, or by the predictors.
MEASURED: Final = "measured"
PREDICTED: Final = "predicted"

Kind = Literal["predicted", "measured"]

# Reason of a trial that its caller failed; one whose process died has none.
NOT_MEASURED = "not measured"

# System attribute of a trial that `SubnetStudy.ask_batch` has started; Optuna's retries inherit it.
ASKED = "optuna_ofa:asked"

# System attribute of a trial: the genes of the subnet that it is going to evaluate.
CLAIM = "optuna_ofa:claim"

# User attribute of a study that says what it searches for.
DESCRIPTION = "optuna_ofa"

# System attribute of a copy that is for looking at: the name of the study that it shows.
VIEW = "optuna_ofa:view_of"

Keep = Literal["all", "front", "sample"]
# Each generation has an attribute of the study: this and eight digits, which count from 0.
SUMMARY_KEY = "optuna_ofa:generation:"

# user attributes of a trial
PREDICTION, PREDICTION_STD = "predicted", "predicted_std"
# of measured ones, by metric: standard deviations, and all that is known of how it was measured
MEASURED_STD, MEASURED_BY = "measured_std", "measured_by"
