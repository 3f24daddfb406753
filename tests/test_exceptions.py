"""Messages of errors, which quote files and arguments."""

from __future__ import annotations

import pickle

import pytest

from optuna_ofa import exceptions
from optuna_ofa.exceptions import OptunaOFAError

ERRORS = [
    error
    for error in vars(exceptions).values()
    if isinstance(error, type) and issubclass(error, OptunaOFAError)
]


@pytest.mark.parametrize("error", ERRORS)
def test_a_message_is_one_line_of_limited_length(error: type[OptunaOFAError]) -> None:
    assert str(error("`a`  must be 1.")) == "`a`  must be 1."
    assert str(error("a\n b\r\nc")) == "a b c"
    assert str(error("x" * 2000)) == "x" * 2000
    assert str(error("x" * 10**6)) == "x" * 1997 + "..."
    assert not str(error())


@pytest.mark.parametrize("error", ERRORS)
def test_errors_are_sent_to_other_processes(error: type[OptunaOFAError]) -> None:
    found = pickle.loads(pickle.dumps(error("why")))
    assert (type(found), str(found)) == (error, "why")
