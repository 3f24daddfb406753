"""Accuracy predictors: published ones, and ones fitted to measured subnets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa._arguments import AnyPath, OutputFile, Positive, PositiveFloat, Seed, checked
from optuna_ofa._parsing import MAX_MB
from optuna_ofa._warnings import is_direct, warn
from optuna_ofa.exceptions import ExtrapolationWarning
from optuna_ofa.predictors._base import LocalModel, Predictor
from optuna_ofa.predictors._grouped_rows import rows_without_offsets
from optuna_ofa.predictors._groups import Labels
from optuna_ofa.predictors._rows import LEAST_SUBNETS, LEAST_WITH_PRIOR
from optuna_ofa.predictors._sound import require_sound
from optuna_ofa.predictors._support import Support
from optuna_ofa.predictors._terms import Terms
from optuna_ofa.predictors.accuracy._file import content_of, of_content, read_fitted, write_fitted
from optuna_ofa.predictors.accuracy._kinds import ModelKind, fit_model, refit_model
from optuna_ofa.predictors.accuracy._left_out import widening_of
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.predictors.accuracy._prior import PriorPredictor
from optuna_ofa.predictors.gaussian_process._corrected import CorrectedProcess
from optuna_ofa.predictors.gaussian_process._process import GaussianProcess
from optuna_ofa.space import Family, Matrix, SearchSpace, Subnet, find_family

_SLOW = (GaussianProcess, CorrectedProcess)


class AccuracyPredictor(Predictor):
    """A predictor of the top-1 accuracy of subnets in percent; created by `load` or `fit`.

    Args:
        space: The subnets that it was made for.
        model: The model.
        metadata: Facts about its origin (JSON).
        support: What the model was fitted on; None if unknown, as for a published network.
    """

    metric = "top1"

    @checked
    def __init__(
        self,
        *,
        space: SearchSpace,
        model: AccuracyModel,
        metadata: Mapping[str, Any] | None = None,
        support: Support | None = None,
    ) -> None:
        self.space = space
        self.model = model
        self.metadata: dict[str, Any] = dict(metadata or {})
        self.support = support
        self.has_warned: bool = False

    @classmethod
    @checked
    def load(
        cls,
        path: AnyPath,
        *,
        family: Family | AnyPath | None = None,
        resolutions: Sequence[Positive] | None = None,
        max_mb: PositiveFloat = MAX_MB,
    ) -> AccuracyPredictor:
        """Read a published predictor in one of three encodings, or a file written by `save`.

        The encoding is recognised by names and shapes; see ``docs/formats.md``.

        Args:
            path: A ``.pth`` state dict, or JSON.
            family: The family that it was trained for. A file of `save` holds its table, and is
                refused for another family. A state dict does not; the default is the family it
                was published for (``ofa_mbv3_w1.2``, ``ofa_resnet50``).
            resolutions: For the encoding with the resolution first: the input sizes in pixels
                in the order used for training, which is not in the file.
            max_mb: The largest file to read, in megabytes of 10^6 bytes.

        Raises:
            FormatError: If the file is not one of these, with its shapes; or if its predictions
                are impossible, with the worst subnet.
            FamilyMismatchError: If it cannot be for ``family``.
            InvalidArgumentError: If ``family`` or ``resolutions`` is needed and missing.
        """
        path = Path(path)
        if family is not None:
            family = find_family(family, "family")
        if path.suffix == ".json":
            space, model, metadata, support = read_fitted(path, family, _read, max_mb)
        else:
            space, model, metadata = _published(path, family, resolutions, max_mb)
            support = None
        predictor = cls(space=space, model=model, metadata=metadata, support=support)
        predictor._require_sound(f"`path` {path}")
        return predictor

    @classmethod
    @checked
    def fit(
        cls,
        space: SearchSpace,
        subnets: Iterable[Subnet] | Matrix,
        top1: ArrayLike,
        *,
        model: ModelKind = "gaussian_process",
        penalty: PositiveFloat | None = None,
        seed: Seed = 0,
        metadata: Mapping[str, Any] | None = None,
        group: Labels | None = None,
        prior: Predictor | None = None,
    ) -> AccuracyPredictor:
        """Fit a model to measured subnets.

        Repeated measurements of a subnet are averaged first; the Gaussian process takes their
        number into account. ``docs/accuracy.md`` compares the models by number of subnets.

        Args:
            space: The space of the measured subnets and of the predictions.
            subnets: ``n`` subnets, or a genotype matrix.
            top1: ``(n,)`` measured accuracies in percent.
            model: ``"gaussian_process"``, ``"sparse_gaussian_process"``, whose file does not hold
                the subnets, or ``"ridge"``, which is linear; all on ordered choices, costs and a
                law of the resolution.
            penalty: For ``"ridge"`` only: positive weight of the squared coefficients; None takes
                the one with the lowest leave-one-out error.
            seed: Seed for choosing the rows to which the hyper-parameters of the Gaussian process
                are fitted if there are more than 500.
            metadata: Facts about the measurements (JSON).
            group: ``(n,)`` labels, whole numbers or strings, of who or what measured each row: a
                worker, a part of the images, a day. Each group has an offset, which is estimated
                jointly with a linear model of the subnets and subtracted before the fit; the mean
                of the offsets, weighted by the rows, is zero. The fewer rows a group has, the
                more its offset is shrunk towards zero. They are kept in ``metadata["groups"]``,
                by label: ``offset`` and ``standard_error`` in points, and ``rows``.
            prior: A predictor of the accuracies of other weights, for few measurements: of a family
                with the same architecture and choices, such as another width. A resolution that
                it does not cover is predicted from the nearest that it covers. Its predictions
                are corrected by an offset, a line and a Gaussian process, or not used, weighted
                by how well each predicts rows that are left out; ``metadata["prior"]`` has the
                weight (``share``) and the left-out error (``rmse``, in points) of each. Three
                different subnets are enough.

        Warns:
            GroupWarning: If an offset cannot be told from the effect of the resolution; or if
                ``group`` is None, but runs of rows, in their order, seem to have offsets.

        Raises:
            InvalidSubnetError: If a subnet does not belong to ``space``.
            InvalidArgumentError: If the lengths differ, a value is not a percentage, all are
                equal, there are fewer than five different subnets or more than the model can hold,
                ``model`` is unknown, ``penalty`` is not positive or does not apply, ``group`` is
                not one label for each row, or ``prior`` does not predict top-1, does not cover
                a choice other than a resolution, or is given with another ``model``.
            FamilyMismatchError: If ``prior`` is for another architecture.
            PredictionError: If ``prior`` does not predict a finite number.
        """
        before = None if prior is None else PriorPredictor(prior, space)
        least = LEAST_SUBNETS if prior is None else LEAST_WITH_PRIOR
        rows, facts = rows_without_offsets(
            space, subnets, top1, group, least=least, expected=before
        )
        fitted = fit_model(model, space, rows, penalty=penalty, seed=seed, prior=before)
        if isinstance(fitted, CorrectedProcess):
            facts["prior"] = fitted.shares()
        # a model may predict fitted subnets beyond what was measured
        values = np.concatenate([rows.top1, fitted.predict(rows.matrix)])
        support = Support.of(space, rows.matrix, values)
        refit = partial(refit_model, fitted, space, penalty=penalty, seed=seed)
        support.widening = widening_of(fitted, rows, support, refit, seed=seed)
        return cls(
            space=space, model=fitted, metadata={**(metadata or {}), **facts}, support=support
        )

    @checked
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the top-1 accuracies in percent, ``(n,)``.

        Warns:
            ExtrapolationWarning: Some subnets are outside of what the predictor was fitted on, see
                `extrapolates`; once for each predictor, and not within a study, which warns itself.
        """
        matrix = np.asarray(matrix)
        top1 = self.model.predict(matrix)
        self._warn_outside(matrix, top1)
        return top1

    @checked
    def predict_std(self, matrix: Matrix) -> NDArray[np.float64] | None:
        """Return standard deviations in points, ``(n,)``; None for a published network.

        They grow outside of what the predictor was fitted on, as fast as its errors do where a
        part of the fitted rows is left out: a resolution, or the fifth with the lowest or highest
        accuracy, size, or accuracy for its size. For an accuracy that is high for the size, the
        90 % interval reaches down at most to where nothing is gained beyond the fitted ones.
        """
        matrix = np.asarray(matrix)
        std = self.model.predict_std(matrix)
        if std is None or self.support is None:
            return std
        widened = self.support.widened(std, matrix, self.model.predict(matrix))
        return np.where(self.model.familiar(matrix), std, widened)

    @checked
    def extrapolates(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which subnets are outside of what the predictor was fitted on, ``(n,)``.

        Outside are resolutions and choices that no fitted subnet had, sizes and predicted
        accuracies beyond those of all fitted subnets, and combinations of choices further from
        the fitted subnets than each of these from the others. A published network does not know
        what it was fitted on. With a prior, subnets on which that does not extrapolate are inside.
        """
        matrix = np.asarray(matrix)
        if self.support is None:
            return np.zeros(len(matrix), dtype=bool)
        return self._outside(self.support, matrix, self.model.predict(matrix))

    @checked
    def extrapolation_reasons(self, matrix: Matrix) -> list[str]:
        """Return why subnets are outside, with their numbers; empty if none is."""
        matrix = np.asarray(matrix)
        return self._reasons(matrix, self.model.predict(matrix))

    def _outside(
        self, support: Support, matrix: Matrix, top1: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        outside = support.outside(matrix, top1).any
        return np.asarray(outside & ~self.model.familiar(matrix), dtype=bool)

    def _reasons(self, matrix: Matrix, top1: NDArray[np.float64]) -> list[str]:
        new = ~self.model.familiar(matrix)
        if self.support is None or not new.any():
            return []
        return self.support.reasons(matrix[new], top1[new])

    def terms(self) -> Terms | str:
        """Return the sum of a linear model."""
        return self.model.terms()

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """Return tangents, or the model itself where it is linear."""
        return self.model.local_model(anchors)

    @checked
    def save(self, path: OutputFile) -> None:
        """Write the predictor as JSON; an existing file is replaced as a whole.

        A Gaussian process needs the subnets that it was fitted to, so they are in the file, and so
        is the prior of a predictor that was fitted with one.

        Raises:
            InvalidArgumentError: If the prior is not an `AccuracyPredictor`.
            FormatError: If its predictions are impossible, so that `load` would refuse the file.
        """
        content = self.content()
        self._require_sound("The predictor")
        write_fitted(path, content)

    def content(self) -> dict[str, Any]:
        """Return what `save` writes, JSON-ready."""
        return content_of(self.space, self.model.to_dict(), self.metadata, self.support)

    def _require_sound(self, where: str) -> None:
        # without a support there are no warnings of subnets outside of it
        bare = AccuracyPredictor(space=self.space, model=self.model)
        # the deviations of a Gaussian process take long, and its reader limits them
        require_sound(bare, where, with_std=not isinstance(self.model, _SLOW))

    def _warn_outside(self, matrix: Matrix, top1: NDArray[np.float64]) -> None:
        if self.support is None or self.has_warned or not len(matrix):
            return
        if not is_direct("optuna_ofa.predictors"):  # a study warns itself
            return
        reasons = self._reasons(matrix, top1)
        if reasons:
            self.has_warned = True
            n = int(self._outside(self.support, matrix, top1).sum())
            warn(
                f"{n} of {len(matrix)} subnets are outside of what the predictor of top1 was "
                f"fitted on: {'; '.join(reasons)}. Their accuracies are less certain; "
                f"`extrapolates` says which subnets these are. Later calls do not warn.",
                ExtrapolationWarning,
            )


def _read(content: Mapping[str, Any]) -> AccuracyPredictor:
    """Read what `AccuracyPredictor.content` returned: the prior of another."""
    space, model, metadata, support = of_content(content, None, "`prior`", _read)
    return AccuracyPredictor(space=space, model=model, metadata=metadata, support=support)


def _published(
    path: Path, family: Family | None, resolutions: Sequence[int] | None, max_mb: float
) -> tuple[SearchSpace, AccuracyModel, dict[str, Any]]:
    """Return the space, the model and the facts of a published network."""
    from optuna_ofa.predictors.accuracy._published import read_state_dict  # needs torch

    space, network = read_state_dict(path, family, resolutions, max_mb)
    return space, network, {"file": path.name, "encoding": network.encoding.name}
