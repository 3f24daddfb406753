"""Expectations that measurements correct: by an offset, a line and a process, or not at all."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._values import number
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._blocks import one_thread
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.predictors.gaussian_process._expected import Expected, Remembered, Untrusted
from optuna_ofa.predictors.gaussian_process._kernel import HyperPrior
from optuna_ofa.predictors.gaussian_process._process import GaussianProcess
from optuna_ofa.predictors.gaussian_process._settings import MAX_TUNING_ROWS
from optuna_ofa.predictors.gaussian_process._variants import Trust, trusting
from optuna_ofa.space import Matrix, SearchSpace

Array = NDArray[np.float64]
_TRUSTING: tuple[Trust, ...] = ("offset", "line", "process", "feature")
_ALONE = "alone"
VARIANTS = (*_TRUSTING, _ALONE)
_LEAST_SHARE = 0.01


class Part(NamedTuple):
    """One of the processes that a `CorrectedProcess` is the mean of.

    Args:
        variant: How far it trusts what is expected: see `trusting`, or ``"alone"`` if it does not
            use it.
        share: Its weight; those of all parts add up to 1.
        rmse: Root mean square error of rows that are left out, in points.
        process: The process.
    """

    variant: str
    share: float
    rmse: float
    process: GaussianProcess


class CorrectedProcess(AccuracyModel):
    """A mean of Gaussian processes that trust what was expected to different degrees.

    Args:
        parts: The processes.
        expected: What was expected.
    """

    def __init__(self, parts: tuple[Part, ...], expected: Expected) -> None:
        self.parts: tuple[Part, ...] = parts
        self.expected: Expected = expected

    @classmethod
    def fit(
        cls,
        space: SearchSpace,
        rows: MeasuredRows,
        expected: Expected,
        *,
        seed: int = 0,
        n_tuning_rows: int = MAX_TUNING_ROWS,
        like: CorrectedProcess | None = None,
    ) -> CorrectedProcess:
        """Fit each variant, and weigh them by how well they predict rows that are left out.

        The weight is ``exp(sqrt(n) * score)``, where the score is the mean logarithm of the
        density of the ``n`` left-out rows. The sum instead of the mean would leave one variant
        only, and a mean of several is better than the best of them.

        Args:
            space: The space of the rows.
            rows: Measured subnets.
            expected: What is expected of subnets beforehand.
            seed: Seed for choosing the rows to which hyper-parameters are fitted.
            n_tuning_rows: Largest number of such rows.
            like: An earlier fit whose hyper-parameters and weights are kept.
        """
        if not isinstance(expected, Remembered):
            expected = Remembered(expected)
        if like is None:
            some = np.random.default_rng(seed).permutation(len(rows.top1))[:n_tuning_rows]
            with one_thread():
                processes = _fitted(space, rows.select(np.sort(some)), expected)
                like = cls(_weighed(processes), expected)
            if len(some) == len(rows.top1):
                return like
        refitted = [
            GaussianProcess.fit(
                space, rows, logs=part.process.logs, expected=_of(part.variant, expected)
            )
            for part in like.parts
        ]
        parts = zip(like.parts, refitted, strict=True)
        return cls(tuple(part._replace(process=process) for part, process in parts), expected)

    def predict(self, matrix: Matrix) -> Array:
        """Return the top-1 accuracies in percent, ``(n,)``."""
        return self._in_pieces(self._predict, matrix)

    def predict_std(self, matrix: Matrix) -> Array:
        """Return standard deviations of a measurement: of the parts, and of their means."""
        return self._in_pieces(self._predict_std, matrix)

    def _in_pieces(self, function: Callable[[Matrix], Array], matrix: Matrix) -> Array:
        """Return what a function returns for all rows; what is expected of a piece is kept."""
        size = min(part.process.n_at_once for part in self.parts)
        pieces = [function(matrix[i : i + size]) for i in range(0, max(len(matrix), 1), size)]
        return np.concatenate(pieces)

    def _predict(self, matrix: Matrix) -> Array:
        return self._mean([part.process.predict(matrix) for part in self.parts])

    def _predict_std(self, matrix: Matrix) -> Array:
        means = [part.process.predict(matrix) for part in self.parts]
        mean = self._mean(means)
        squares = [
            part.process.predict_std(matrix) ** 2 + (own - mean) ** 2
            for part, own in zip(self.parts, means, strict=True)
        ]
        return np.sqrt(self._mean(squares))

    def familiar(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which subnets what is expected does not extrapolate to, ``(n,)``."""
        return self.expected.familiar(matrix)

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """Return the mean of the tangents; None if what is expected has none."""
        models = [part.process.local_model(anchors) for part in self.parts]
        known = [model for model in models if model is not None]
        if len(known) < len(models):
            return None
        return lambda matrix, anchor: self._mean([model(matrix, anchor) for model in known])

    def _mean(self, values: list[Array]) -> Array:
        total = np.zeros(len(values[0]))
        for part, own in zip(self.parts, values, strict=True):  # bit-identical in every batch
            total += part.share * own
        return total

    def shares(self) -> dict[str, dict[str, float]]:
        """Return the share and the left-out error of each variant, JSON-ready."""
        return {part.variant: {"share": part.share, "rmse": part.rmse} for part in self.parts}

    def to_dict(self) -> dict[str, Any]:
        """Return what was expected and the parts, JSON-ready."""
        return {
            "kind": "corrected",
            "prior": self.expected.to_dict(),
            "parts": [{**part._asdict(), "process": part.process.to_dict()} for part in self.parts],
        }

    @classmethod
    def from_dict(
        cls, space: SearchSpace, data: Mapping[str, Any], expected: Expected
    ) -> CorrectedProcess:
        """Read what `to_dict` wrote.

        Raises:
            FormatError: If something is missing or does not fit.
        """
        expected = Remembered(expected)
        try:
            parts = [_part(space, part, expected) for part in data["parts"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise FormatError(
                f"`model` must hold corrected processes, but: {error!r:.300}."
            ) from error
        if not 1 <= len(parts) <= len(VARIANTS) or abs(sum(p.share for p in parts) - 1) > 1e-6:
            raise FormatError(
                f"`parts` must have shares that add up to 1, at most {len(VARIANTS)}, but have "
                f"{[part.share for part in parts]!r:.200}."
            )
        return cls(tuple(parts), expected)


def _fitted(
    space: SearchSpace, rows: MeasuredRows, expected: Expected
) -> dict[str, GaussianProcess]:
    def fit(variant: str, before: Callable[[NDArray[np.intp]], HyperPrior]) -> GaussianProcess:
        return GaussianProcess.fit(
            space,
            rows,
            n_tuning_rows=len(rows.top1),
            expected=_of(variant, expected),
            before=before,
        )

    trusting_it: dict[str, GaussianProcess] = {
        variant: fit(variant, functools.partial(trusting, variant, expected.n_columns))
        for variant in _TRUSTING
    }
    if np.ptp(rows.top1) == 0:  # without what is expected there is nothing to learn
        return trusting_it
    return {**trusting_it, _ALONE: fit(_ALONE, HyperPrior.usual)}


def _of(variant: str, expected: Expected) -> Expected | None:
    """Return what a variant expects."""
    if variant == _ALONE:
        return None
    return Untrusted(expected) if variant == "feature" else expected


def _weighed(processes: Mapping[str, GaussianProcess]) -> tuple[Part, ...]:
    left_out = {name: process.left_out() for name, process in processes.items()}
    scores = np.array([_score(*errors) for errors in left_out.values()])
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    shares[shares < _LEAST_SHARE] = 0
    shares /= shares.sum()
    return tuple(
        Part(name, float(share), float(np.sqrt(np.mean(left_out[name][0] ** 2))), process)
        for (name, process), share in zip(processes.items(), shares, strict=True)
        if share > 0
    )


def _score(errors: Array, std: Array) -> float:
    """Return the logarithm of a variant's weight, up to a constant."""
    density = -0.5 * (errors / std) ** 2 - np.log(std)
    return float(np.sqrt(len(errors)) * density.mean())


def _part(space: SearchSpace, data: Mapping[str, Any], expected: Expected) -> Part:
    variant = data["variant"]
    if variant not in VARIANTS:
        raise FormatError(f"`variant` must be one of {VARIANTS}, but is {variant!r:.100}.")
    return Part(
        variant,
        number(data["share"], "`share`", least=0, most=1),
        number(data["rmse"], "`rmse`", least=0),
        GaussianProcess.from_dict(space, data["process"], _of(variant, expected)),
    )
