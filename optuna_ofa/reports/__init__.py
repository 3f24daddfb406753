"""Reports about studies: picks, figures with captions, and sources, on one page."""

from optuna_ofa.reports._report import report
from optuna_ofa.reports._sections import Section, study_sections as study_sections
from optuna_ofa.reports._sources import find_sources as find_sources
from optuna_ofa.reports._table import (
    Table as Table,
    pick_note as pick_note,
    pick_table as pick_table,
)

__all__ = ["Section", "report"]
