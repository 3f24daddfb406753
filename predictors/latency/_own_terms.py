"""Quantities of a network that a function of yours counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import Text, checked
from optuna_ofa._rules import Instead
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import ImplausibleValueWarning, InvalidArgumentError, PredictionError
from optuna_ofa.predictors._function import Function, name_of
from optuna_ofa.space import Matrix, SearchSpace

Array = NDArray[np.float64]


class OwnTerms:
    """Amounts that a device takes time for, such as layers, multiply-adds and bytes moved.

    Args:
        function: Takes ``(n, n_genes)`` canonical genotypes; returns ``(n, k)`` numbers of at
            least 0. The price of each is fitted, and is not negative.
        names: ``k`` names; None numbers them.
        units: The amount of each that is 1, in words, such as ``"a layer"``; None derives them
            from the names.

    Raises:
        InvalidArgumentError: If names or units are not different texts, or differ in number.
    """

    @checked
    def __init__(
        self,
        function: Function,
        *,
        names: Sequence[Text] | None = None,
        units: Sequence[Text] | None = None,
    ) -> None:
        self.function: Callable[[Any], Any] = function
        self.names: tuple[str, ...] | None = None if names is None else tuple(names)
        self.units: tuple[str, ...] | None = None if units is None else tuple(units)
        if names is not None and len(set(names)) < len(names):
            raise InvalidArgumentError(f"`names` must be different, but got {list(names)}.")
        if units is not None and (names is None or len(units) != len(names)):
            n = "no names" if names is None else f"{len(names)}"
            raise InvalidArgumentError(
                f"`units` must be one for each of the `names`, of which there are {n}, but got "
                f"{list(units)}."
            )


class TermsError(InvalidArgumentError):
    """The function that a predictor was fitted with is missing, or counts other terms."""


def _is_terms(value: Any) -> bool:
    return isinstance(value, OwnTerms) or (callable(value) and not isinstance(value, type))


_RULE = "a function that counts amounts, or OwnTerms"
TermsFunction = Annotated[OwnTerms | Callable[[Any], Any], Instead(_RULE, _is_terms)]
FeatureSource = Annotated[
    str | OwnTerms | Callable[[Any], Any],
    Instead(
        f"a name of features, {_RULE}", lambda value: isinstance(value, str) or _is_terms(value)
    ),
]


class CountedTerms:
    """`OwnTerms` on a space, with checks of what the function returns.

    Args:
        space: The space of the matrices.
        own: The function, with or without names.

    Raises:
        PredictionError: If the function does not return a matrix of numbers of at least 0 for the
            smallest and the largest network.
    """

    def __init__(self, space: SearchSpace, own: OwnTerms) -> None:
        self.space, self.own = space, own
        self.names: tuple[str, ...] = own.names or ()
        ends = self(space.to_matrix([space.smallest(), space.largest()]))
        self.names = own.names or tuple(f"feature {i + 1}" for i in range(ends.shape[1]))
        self.units = own.units or tuple(f"per {name}" for name in self.names)

    def __call__(self, matrix: Matrix) -> Array:
        """Return ``(n, k)`` amounts.

        Raises:
            PredictionError: If the function returns something else.
        """
        rows = self.space.canonicalize(self.space.check(matrix))
        returned = self.own.function(rows)
        k = len(self.names) or "k"
        name = f"The function `{name_of(self.own.function)}`, which counts terms,"
        shape = f"({len(rows)}, {k}) numbers of at least 0"
        try:
            found = np.array(returned, dtype=float)
        except (TypeError, ValueError) as error:
            raise PredictionError(
                f"{name} must return {shape}, but returned {returned!r:.200}."
            ) from error
        if found.ndim != 2 or len(found) != len(rows) or found.shape[1] not in (k, *_any(k, found)):
            raise PredictionError(f"{name} must return {shape}, but returned {found.shape}.")
        wrong = ~(np.isfinite(found) & (found >= 0))
        if wrong.any():
            i, j = np.argwhere(wrong)[0].tolist()
            column = self.names[j] if self.names else f"column {j}"
            raise PredictionError(
                f"{name} must return {shape}, but returned {found[i, j]:g} of {column}."
            )
        return found


def _any(k: int | str, found: Array) -> tuple[int, ...]:
    return (found.shape[1],) if k == "k" and found.shape[1] else ()


def checked_terms(space: SearchSpace, own: OwnTerms, matrix: Matrix) -> CountedTerms:
    """Return the terms of a function, after a look at what it returns for measured networks.

    Raises:
        InvalidArgumentError: If it does not return numbers of at least 0, with the same columns
            for each network.

    Warns:
        ImplausibleValueWarning: If a column is equal for all networks.
    """
    try:
        terms = CountedTerms(space, own)
        found = terms(matrix)
    except PredictionError as error:
        raise InvalidArgumentError(f"`features` must count amounts: {error}") from error
    same = [
        name
        for name, column in zip(terms.names, found.T, strict=True)
        if len(found) > 1 and (column == column[0]).all()
    ]
    if same:
        warn(
            f"`features` has the same {', '.join(same)} for all {len(found)} measured networks: "
            f"measure networks that differ in it, or leave it out; its price cannot be told from "
            f"the constant.",
            ImplausibleValueWarning,
        )
    return terms


def as_own(features: TermsFunction) -> OwnTerms:
    """Return a function as `OwnTerms`."""
    return features if isinstance(features, OwnTerms) else OwnTerms(features)


def own_terms(
    features: FeatureSource | None, space: SearchSpace, matrix: Matrix
) -> OwnTerms | None:
    """Return the terms of a function, checked; None of a name of features."""
    if features is None or isinstance(features, str):
        return None
    own = as_own(features)
    checked_terms(space, own, matrix)
    return own


def require_terms(own: OwnTerms | None, space: SearchSpace, names: Any, where: str) -> None:
    """Refuse a missing function, or one that counts other terms than a file was fitted with.

    Raises:
        TermsError: With the names in the file.
    """
    listed = ", ".join(map(str, names))
    if own is None:
        raise TermsError(
            f"`features` must be the function that counts {listed}, with which {where} was fitted, "
            f"but is None."
        )
    found = checked_terms(space, own, space.to_matrix([space.smallest()])).names
    if list(found) != list(names):
        raise TermsError(
            f"`features` must count {listed}, as {where} was fitted with, but counts "
            f"{', '.join(found)}."
        )
