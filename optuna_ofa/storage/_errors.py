"""Errors of storages in one place: whatever Optuna, a driver or a damaged row raises is ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NoReturn

import sqlalchemy as sa
from optuna.exceptions import OptunaError, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from sqlalchemy.exc import DBAPIError

from optuna_ofa._urls import raise_about, shown_url, without_secrets
from optuna_ofa.exceptions import OptunaOFAError, StorageError

_LONGEST = 300  # of what an error says


class _MissingError(StorageError, KeyError):
    """A study or a trial is gone; Optuna's code expects a KeyError."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0])


class _WrongValueError(StorageError, ValueError):
    """A value that cannot be read, or that Optuna refuses to write."""


class _WrongTypeError(StorageError, TypeError):
    """The same of a wrong type."""


_KINDS = {KeyError: _MissingError, ValueError: _WrongValueError, TypeError: _WrongTypeError}


@contextlib.contextmanager
def storage_errors(storage: object) -> Iterator[None]:
    """Turn any error of reading or writing a storage into one of ours.

    Args:
        storage: The argument, or the engine, for the message; secrets of its URL are not shown.

    Raises:
        StorageError: Instead of errors of drivers, of SQLAlchemy, of Optuna's storages, and of
            decoding what is stored. Those that Optuna documents, such as `DuplicatedStudyError`,
            and our own are not changed.
    """
    try:
        yield
    except Exception as error:
        if is_meant(error):
            raise
        raise_storage_error(error, storage)


def is_meant(error: Exception) -> bool:
    """Return whether callers expect an error of a storage as it is."""
    is_optunas = isinstance(error, OptunaError) and not isinstance(error, StorageInternalError)
    return is_optunas or isinstance(error, OptunaOFAError)


def raise_storage_error(error: Exception, storage: object) -> NoReturn:
    """Raise a StorageError about an error; see `storage_errors`."""
    kind = next((ours for builtin, ours in _KINDS.items() if isinstance(error, builtin)), None)
    url = url_of(storage)
    shown = type(storage).__name__ if url is None else repr(shown_url(url))
    said = without_secrets(error_said(error), url)
    must = "can be reached and written" if is_of_database(error) else "has the study, undamaged"
    text = f"`storage` must be a database that {must}, but {shown} says: {said}"
    raise_about((kind or StorageError)(text), error, url)


def error_said(error: Exception) -> str:
    """Return the first line of what a database, or what decodes its rows, has said."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    cause = getattr(cause, "orig", None) or cause or error
    text = str(cause.args[0]) if isinstance(cause, KeyError) and cause.args else str(cause)
    first = text.strip().split("\n")[0][:_LONGEST]
    return first if is_of_database(error) else f"{type(cause).__name__}: {first}"


def is_of_database(error: Exception) -> bool:
    """Return whether a database or the system has refused something, not what decodes its rows."""
    is_of_driver = any(base.__name__ == "DatabaseError" for base in type(error).__mro__)  # PEP 249
    return is_of_driver or isinstance(error, DBAPIError | StorageInternalError | OSError)


def relational(storage: BaseStorage) -> RDBStorage | None:
    """Return the relational storage behind a storage; None where there is none."""
    backend = storage._backend if isinstance(storage, _CachedStorage) else storage
    return backend if isinstance(backend, RDBStorage) else None


def url_of(storage: object) -> str | None:
    """Return the URL of a storage or an engine, with its secrets; None where there is none."""
    if isinstance(storage, BaseStorage):
        backend = relational(storage)
        return None if backend is None else str(backend.url)
    if isinstance(storage, sa.Engine):
        return storage.url.render_as_string(hide_password=False)
    return storage if isinstance(storage, str) else None
