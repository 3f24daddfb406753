"""Opening studies by name, or the only one of a storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_ofa.commands._arguments import DEFAULT_STUDY
from optuna_ofa.commands._command import Arguments

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from optuna_ofa.studies import SubnetStudy


def open_study(arguments: Arguments) -> SubnetStudy:
    """Open a study that another command or a script made; nothing is made where there is none.

    Raises:
        InvalidArgumentError: If there is no such storage or study, or it has several and none is
            named.
        StudyMismatchError: If it is no study of this package, or has other predictors.
    """
    from optuna_ofa.storage import open_existing
    from optuna_ofa.studies import study

    quiet_optuna()
    store = open_existing(arguments["storage"])
    return study(
        hardware=arguments["hardware"],
        accuracy=arguments["accuracy"],
        storage=store,
        study_name=_existing_name(store, arguments),
    )


def find_name(arguments: Arguments) -> tuple[str, bool]:
    """Return the name of the study to search, and whether it exists.

    Raises:
        InvalidArgumentError: If the storage has several and none is named.
    """
    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.storage import open_existing, study_names

    quiet_optuna()
    try:
        store = open_existing(arguments["storage"])
    except InvalidArgumentError:  # a new one; what cannot be made is refused when it is
        return arguments["study"] or DEFAULT_STUDY, False
    if arguments["study"] or not study_names(store):
        name = arguments["study"] or DEFAULT_STUDY
        return name, name in study_names(store)
    return _existing_name(store, arguments), True


def _existing_name(store: BaseStorage, arguments: Arguments) -> str:
    """Return the name of a study that exists: the one that is given, or the only one."""
    from optuna_ofa._suggestions import did_you_mean
    from optuna_ofa._urls import shown_url
    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.storage import storage_errors, study_names

    given, shown = arguments["study"], shown_url(arguments["storage"])
    with storage_errors(arguments["storage"]):
        names = study_names(store)
    if not names:
        raise InvalidArgumentError(f"`storage` must have a study, but {shown!r} is empty.")
    if given is None and len(names) > 1:
        raise InvalidArgumentError(
            f"`study` must be given, because {shown} has several: {', '.join(names)}."
        )
    if given is not None and given not in names:
        raise InvalidArgumentError(
            f"`study` must be one of {', '.join(names)}, but got {given!r}"
            f"{did_you_mean(given, names)}"
        )
    return given or names[0]


def quiet_optuna() -> None:
    """Turn Optuna's log off but for warnings."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
