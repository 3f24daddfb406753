"""What studies found, for readers: picks, pictures with captions, sources, and a page of them."""

from optuna_ofa.reports._report import report
from optuna_ofa.reports._sections import Section, kind_of as kind_of, study_sections
from optuna_ofa.reports._sources import Source, find_sources
from optuna_ofa.reports._table import Table, pick_table, source_table

__all__ = [
    "Section",
    "Source",
    "Table",
    "find_sources",
    "pick_table",
    "report",
    "source_table",
    "study_sections",
]
