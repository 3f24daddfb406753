"""Measurements of subnets in a database, whatever was measured, beside Optuna's own tables."""

from optuna_ofa.measurements._read import Measurement, read_measurements
from optuna_ofa.measurements._table import MeasurementTable, Row

__all__ = ["Measurement", "MeasurementTable", "Row", "read_measurements"]
