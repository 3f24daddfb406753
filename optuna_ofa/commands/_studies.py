"""Opening studies by name, or the only one in a storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_ofa.commands._arguments import DEFAULT_STUDY
from optuna_ofa.commands._command import Arguments

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy


def open_study(arguments: Arguments) -> SubnetStudy:
    """Open a study that another command or a script created; none is created.

    Raises:
        InvalidArgumentError: If there is no such storage or study, or there are several studies
            and none is named.
        StudyMismatchError: If it is not a study of this package, or has other predictors.
    """
    from optuna_ofa._arguments import argument_called
    from optuna_ofa._progress import stage

    with stage("opening the study"), argument_called("study", "study_name"):
        from optuna_ofa.studies import load_study

        quiet_optuna()
        found = load_study(
            arguments["study"],
            arguments["storage"],
            hardware=arguments["hardware"],
            accuracy=arguments["accuracy"],
        )
        found.results()  # reads the trials
    return found


def find_name(arguments: Arguments) -> tuple[str, bool]:
    """Return the name of the study to search, and whether it exists.

    Raises:
        InvalidArgumentError: If the storage has several studies and none is named.
    """
    from optuna_ofa._arguments import argument_called
    from optuna_ofa._urls import shown_storage
    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.storage import open_existing, study_names
    from optuna_ofa.studies import existing_name

    quiet_optuna()
    try:
        store = open_existing(arguments["storage"])
    except InvalidArgumentError:  # a new one; if it cannot be created, that is refused later
        return arguments["study"] or DEFAULT_STUDY, False
    if arguments["study"] or not study_names(store):
        name = arguments["study"] or DEFAULT_STUDY
        return name, name in study_names(store)
    with argument_called("study", "study_name"):
        return existing_name(store, None, shown_storage(arguments["storage"])), True


def quiet_optuna() -> None:
    """Silence Optuna's log, except for warnings."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
