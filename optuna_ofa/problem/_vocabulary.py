"""Keys and values that are stored with trials and studies."""

from __future__ import annotations

from typing import Final, Literal

# Values of the user attribute `kind` of a trial: measured by a custom objective, also assumed where
# the attribute is missing, or predicted by the predictors.
MEASURED: Final = "measured"
PREDICTED: Final = "predicted"

Kind = Literal["predicted", "measured"]

# Reason stored with a trial that the caller marked as failed; one whose process died has none.
NOT_MEASURED = "not measured"
# The reason where the caller gave up before it was measured; its subnet may be proposed again.
RELEASED = "released"

# System attribute of a trial that `SubnetStudy.ask_batch` has started; Optuna's retries inherit it.
ASKED = "optuna_ofa:asked"

# System attribute of a trial: the genes of the subnet that it is going to evaluate.
CLAIM = "optuna_ofa:claim"

# User attribute of a study that describes its problem.
DESCRIPTION = "optuna_ofa"

# System attribute of a copy made for viewing: the name of the study that it shows.
VIEW = "optuna_ofa:view_of"
# A study attribute for each file of a trial. Optuna uses a trial attribute, which cannot be set
# once the trial has finished; Optuna Dashboard reads this one too.
TRIAL_ARTIFACTS = "dashboard:artifacts:"

Keep = Literal["all", "front", "sample"]
Parameters = Literal["all", "front"]  # of which predicted trials these are written
# Each generation has an attribute of the study: this prefix and eight digits, counted from 0.
SUMMARY_KEY = "optuna_ofa:generation:"

# user attributes of a trial
PREDICTION, PREDICTION_STD = "predicted", "predicted_std"
# of measured trials, by metric: standard deviations, how each metric was measured, and the number
# of images of accuracies
MEASURED_STD, MEASURED_BY, MEASURED_IMAGES = "measured_std", "measured_by", "measured_images"
# in such a description of how: the name of the device of `SubnetStudy.measure_batches`
MEASURED_ON = "measured_on"
# of trials that `SubnetStudy.refine` measures: how many measurements there were when it chose them
CHOSEN_AFTER = "chosen_after"
# in the metadata of a corrected predictor: with how many measurements
CORRECTED_WITH = "corrected_with"
