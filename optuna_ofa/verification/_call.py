"""One call of a function that measures a subnet, here or on a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from optuna_ofa._plausible import measured_number
from optuna_ofa.exceptions import InvalidArgumentError, MeasurementError
from optuna_ofa.executors import LackedError
from optuna_ofa.problem import NOT_MEASURED, error_in_words
from optuna_ofa.profiling import is_device_error
from optuna_ofa.space import Subnet


class Outcome(NamedTuple):
    """What a call gave.

    Args:
        value: The value; NaN where there is none.
        std: Its standard deviation; NaN where it is not known.
        error: What was raised instead; None if there is a value.
        reason: Why there is no value, in words.
        ends: Whether no other subnet can be measured either: the device is gone, or the function
            returns something else than numbers.
    """

    value: float = np.nan
    std: float = np.nan
    error: Exception | None = None
    reason: str = ""
    ends: bool = False

    @property
    def measured(self) -> bool:
        """Whether there is a value."""
        return self.value == self.value


class Call(NamedTuple):
    """A function, and the subnet that it measures.

    Args:
        metric: What it measures.
        function: As in `FunctionMeter`.
        subnet: The subnet.
    """

    metric: str
    function: Callable[[Subnet], Any]
    subnet: Subnet

    def outcome(self) -> Outcome:
        """Call the function; its errors are a part of the outcome."""
        try:
            returned = self.function(self.subnet)
            where = f"What `measure[{self.metric!r}]` returns"
            value, std = measured_number(self.metric, returned, where)
        except LackedError:  # which is sent to this worker then
            raise
        except InvalidArgumentError as error:
            return Outcome(error=error, ends=True)
        except Exception as error:
            return Outcome(error=error, reason=error_in_words(error), ends=is_device_error(error))
        return Outcome(value, std, reason=NOT_MEASURED if np.isnan(value) else "")


def outcome_on_worker(call: Call) -> Outcome:
    """Return the outcome with errors in words: those of users may not be picklable."""
    found = call.outcome()
    if found.error is None or isinstance(found.error, InvalidArgumentError):
        return found
    return found._replace(error=MeasurementError(found.reason))


def in_order(outcomes: Iterable[tuple[int, Outcome]]) -> Iterator[Outcome]:
    """Yield numbered outcomes, which come in any order, in the order of their numbers."""
    waiting: dict[int, Outcome] = {}
    n = 0
    for i, outcome in outcomes:
        waiting[i] = outcome
        while n in waiting:
            yield waiting.pop(n)
            n += 1
