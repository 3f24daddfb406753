"""Predictors and tables that come with the package, made by the scripts in ``examples/``."""

from optuna_ofa.data._packaged import (
    default_table_name,
    packaged_accuracy,
    packaged_table,
    table_names,
)

__all__ = ["default_table_name", "packaged_accuracy", "packaged_table", "table_names"]
