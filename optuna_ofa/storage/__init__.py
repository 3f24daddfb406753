"""The trials of studies: Optuna's tables written and read in bulk, or its public calls."""

from optuna_ofa.storage._encoding import decode_trials as decode_trials
from optuna_ofa.storage._errors import relational as relational, storage_errors as storage_errors
from optuna_ofa.storage._existing import (
    open_existing as open_existing,
    sqlite_file as sqlite_file,
    study_names as study_names,
)
from optuna_ofa.storage._finish import Ending as Ending, Started as Started
from optuna_ofa.storage._forks import (
    reconnect_after_fork as reconnect_after_fork,
    renew_after_fork as renew_after_fork,
)
from optuna_ofa.storage._guard import passed_over as passed_over
from optuna_ofa.storage._make import (
    find_study as find_study,
    make_study as make_study,
    open_store as open_store,
)
from optuna_ofa.storage._open import open_storage as open_storage
from optuna_ofa.storage._outages import patiently as patiently
from optuna_ofa.storage._params import Restored as Restored
from optuna_ofa.storage._sent_trial import SentTrial as SentTrial
from optuna_ofa.storage._store import Store as Store, Written as Written
from optuna_ofa.storage._summary import StudySummary as StudySummary, summaries as summaries
from optuna_ofa.storage._transactions import retrying as retrying
from optuna_ofa.storage._unfinished import (
    Unfinished as Unfinished,
    flaw_of_fixed as flaw_of_fixed,
    is_retry as is_retry,
)

__all__: list[str] = []
