"""A table of measured subnets in a database, beside Optuna's own tables."""

from optuna_ofa.measurements._claims import Claims as Claims
from optuna_ofa.measurements._database import Database as Database
from optuna_ofa.measurements._failures import IN_A_ROW as IN_A_ROW, Failures as Failures
from optuna_ofa.measurements._partial import (
    NO_ANSWERS as NO_ANSWERS,
    Answers as Answers,
    PartialTable as PartialTable,
)
from optuna_ofa.measurements._read import Measurement as Measurement, read_measurements
from optuna_ofa.measurements._sharing import Sharing as Sharing
from optuna_ofa.measurements._table import MeasurementTable as MeasurementTable, Reading as Reading

__all__ = ["read_measurements"]
