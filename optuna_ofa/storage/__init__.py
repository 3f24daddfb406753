"""Where trials are kept: Optuna's tables written and read in bulk, or its public calls."""

from optuna_ofa.storage._attributes import (
    seconds_of as seconds_of,
    set_study_attributes as set_study_attributes,
)
from optuna_ofa.storage._finish import (
    Ending as Ending,
    Started as Started,
    finish_trials as finish_trials,
)
from optuna_ofa.storage._generations import Generation as Generation, summaries as summaries
from optuna_ofa.storage._heartbeat import Heartbeat as Heartbeat
from optuna_ofa.storage._make import find_study as find_study, make_study as make_study
from optuna_ofa.storage._open import (
    open_shared as open_shared,
    open_storage as open_storage,
    storage_errors as storage_errors,
)
from optuna_ofa.storage._public_store import PublicStore as PublicStore
from optuna_ofa.storage._rows import templates as templates
from optuna_ofa.storage._start import start_trials as start_trials
from optuna_ofa.storage._store import Store as Store
from optuna_ofa.storage._table_store import TableStore as TableStore
from optuna_ofa.storage._transactions import relational as relational
from optuna_ofa.storage._unfinished import (
    Unfinished as Unfinished,
    read_unfinished as read_unfinished,
)

__all__ = []
