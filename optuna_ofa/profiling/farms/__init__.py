"""Results of tools that measure graphs on devices elsewhere, read from their own files."""

from optuna_ofa.profiling.farms._collect import (
    FORMATS as FORMATS,
    collect_results as collect_results,
)

__all__ = []
