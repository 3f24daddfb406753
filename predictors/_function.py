"""Plain functions as predictors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_type_hints

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import Text, argument_called, checked
from optuna_ofa._plausible import numbers
from optuna_ofa._rules import Instead
from optuna_ofa.exceptions import InvalidArgumentError, PredictionError
from optuna_ofa.predictors._base import Predictor
from optuna_ofa.space import Configuration, Matrix, SearchSpace, Subnet

Takes = Literal["subnet", "matrix"]
# what functions of one subnet are annotated with; a configuration is a mapping
_VALUES = (Subnet, Configuration, Mapping)
_NAMES = [of.__name__ for of in _VALUES]


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, type | Predictor)


def _is_source(value: Any) -> bool:
    return isinstance(value, Predictor) or _is_function(value)


Function = Annotated[Callable[[Any], Any], Instead("a function", _is_function)]
PredictorSource = Annotated[
    Predictor | Callable[[Any], Any], Instead("a Predictor or a function", _is_source)
]


class FunctionPredictor(Predictor):
    """A predictor made from a function; every argument that takes a predictor also takes one.

    The function takes one `Subnet`, or one `Configuration` of a space that is a plain table of
    choices, and returns a number, or it takes ``(n, n_genes)`` genotypes and returns ``n`` numbers.
    Which of the two is determined in this order:

    1. The annotation of its first parameter: `Subnet`, `Configuration` or a mapping, or a numpy
       array.
    2. A call with a matrix of two rows, the smallest and the largest subnet: a function that
       returns two numbers takes a matrix.
    3. Otherwise it takes a subnet.

    Args:
        metric: Name of the predicted quantity.
        function: The function. If it is defined at the top level of a module, the predictor can
            be pickled.
        space: The subnets that can be predicted.
        takes: What the function takes; None determines it as above.

    Raises:
        InvalidArgumentError: If the function returns numbers neither for a matrix nor for a subnet;
            with both errors.
    """

    @checked
    def __init__(
        self, metric: Text, function: Function, space: SearchSpace, *, takes: Takes | None = None
    ) -> None:
        self.metric: str = metric
        self.function: Function = function
        self.space: SearchSpace = space
        self.takes: Takes = takes or _annotated(function) or self._tried()

    @property
    def metadata(self) -> dict[str, str]:
        """The name of the function, for reports."""
        return {"function": name_of(self.function)}

    @checked
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return what the function returns, ``(n,)``.

        Raises:
            PredictionError: If it does not return a finite number for each subnet.
        """
        if self.takes == "matrix":
            return self._numbers(self.function(matrix), len(matrix))
        values = np.empty(len(matrix))
        for i, subnet in enumerate(self.space.from_matrix(matrix)):
            values[i] = self._numbers(self.function(subnet), 1, f" for {subnet}")[0]
        return values

    def _numbers(self, returned: Any, n: int, of: str = "") -> NDArray[np.float64]:
        name = f"The function `{name_of(self.function)}`, which predicts {self.metric},"
        what = "a finite number" if of else f"{n} finite numbers"
        try:
            values = numbers(returned, "it")
        except InvalidArgumentError:
            values = np.empty(0)
        if values.shape != (n,) or not np.isfinite(values).all():
            raise PredictionError(
                f"{name} must return {what}{of}, but returned {_shown(returned, values)}."
            )
        return values

    def _tried(self) -> Takes:
        """Determine what the function takes by calling it."""
        ends = [self.space.smallest(), self.space.largest()]
        matrix = self.space.to_matrix(ends)
        try:
            self._numbers(self.function(matrix), 2)
            return "matrix"
        except Exception as error:
            of_matrix = error
        try:
            self._numbers(self.function(ends[0]), 1, " for the smallest subnet")
            return "subnet"
        except Exception as error:
            raise InvalidArgumentError(
                f"`function` must predict {self.metric} of a subnet or of a matrix, but "
                f"{name_of(self.function)} raised {_words(of_matrix)} for a matrix and "
                f"{_words(error)} for a subnet; annotate its first parameter with Subnet or "
                f"np.ndarray to say which it takes."
            ) from error


def name_of(function: Callable[[Any], Any]) -> str:
    """Return the name of a function, for messages and reports."""
    return str(getattr(function, "__qualname__", None) or repr(function))


def as_predictor(
    metric: str, source: PredictorSource, space: SearchSpace, argument: str
) -> Predictor:
    """Return the predictor of a function on a space; a predictor is returned as it is.

    Args:
        metric: Name of the predicted quantity.
        source: The function or predictor.
        space: The space.
        argument: The name of the caller's argument, for error messages.
    """
    if isinstance(source, Predictor):
        return source
    with argument_called(argument, "function"):
        return FunctionPredictor(metric, source, space)


def _annotated(function: Callable[[Any], Any]) -> Takes | None:
    """Return what the annotation of the first parameter says, if there is one."""
    try:
        first = next(iter(inspect.signature(function).parameters.values()))
    except (TypeError, ValueError, StopIteration):
        return None
    called = function if inspect.isroutine(function) else type(function).__call__
    try:
        hint = get_type_hints(called).get(first.name, first.annotation)
    except Exception:  # names imported only for type checkers
        hint = first.annotation
    text = hint.__name__ if isinstance(hint, type) else str(hint)
    if hint in _VALUES or text.partition("[")[0].rpartition(".")[2] in _NAMES:
        return "subnet"
    is_array = any(word in text for word in ("ndarray", "NDArray", "Matrix"))
    return "matrix" if is_array else None


def _shown(returned: Any, values: NDArray[np.float64]) -> str:
    if values.size > 1:
        bad = values[~np.isfinite(values)]
        return f"{bad[0]} among {len(values)}" if len(bad) else f"{len(values)} numbers"
    return f"{returned!r:.200}"


def _words(error: Exception) -> str:
    return f"{type(error).__name__} ({error})".replace("\n", " ")
