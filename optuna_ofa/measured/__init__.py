"""Measurements of subnets in a database, whatever was measured, beside Optuna's own tables."""

from optuna_ofa.measured._read import Measurement, measurements
from optuna_ofa.measured._table import MeasurementTable, Row

__all__ = ["Measurement", "MeasurementTable", "Row", "measurements"]
