"""What studies found, for readers: picks, pictures with captions, sources, and a page of them."""

from optuna_ofa.reports._picks import Limits, cost_metric, find_picks
from optuna_ofa.reports._report import report
from optuna_ofa.reports._sections import Section, study_sections
from optuna_ofa.reports._sources import Source, find_sources
from optuna_ofa.reports._table import Table, pick_table, source_table

__all__ = [
    "Limits",
    "Section",
    "Source",
    "Table",
    "cost_metric",
    "find_picks",
    "find_sources",
    "pick_table",
    "report",
    "source_table",
    "study_sections",
]
