"""Reports of studies for readers: picks, pictures with captions, sources, and a page of them."""

from optuna_ofa.reports._report import report
from optuna_ofa.reports._sections import Section, study_sections as study_sections
from optuna_ofa.reports._sources import find_sources as find_sources
from optuna_ofa.reports._table import Table as Table, pick_table as pick_table

__all__ = ["Section", "report"]
