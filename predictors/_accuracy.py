"""Accuracy predictors: published ones, and those fitted to measured subnets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa._errors import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa._files import replacing
from optuna_ofa.predictors._accuracy_model import AccuracyModel
from optuna_ofa.predictors._base import LocalModel, Predictor
from optuna_ofa.predictors._published_accuracy import read_state_dict
from optuna_ofa.predictors._ridge import RidgeModel
from optuna_ofa.space import Family, SearchSpace, Subnet, get_family
from optuna_ofa.space._space import Matrix

FORMAT = "optuna_ofa.accuracy_predictor"
VERSION = 1


class AccuracyPredictor(Predictor):
    """Predicts the top-1 accuracy of subnets in percent.

    Args:
        space: The subnets that it was made for.
        model: What predicts; use `load` or `fit`.
        metadata: Where it comes from (JSON).
    """

    metric = "top1"

    def __init__(
        self,
        *,
        space: SearchSpace,
        model: AccuracyModel,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.space = space
        self.model = model
        self.metadata = dict(metadata or {})

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        family: Family | str | None = None,
        resolutions: Sequence[int] | None = None,
    ) -> AccuracyPredictor:
        """Read one of the three published encodings, or what `save` wrote.

        Which one a file is, is recognised from its names and shapes; the encodings are in
        ``docs/formats.md``.

        Args:
            path: A ``.pth`` state dict, or JSON.
            family: The family that it was trained for. A state dict does not tell; by default
                the one it was published for (``ofa_mbv3_w1.2``, ``ofa_resnet50``).
            resolutions: For the encoding with the resolution first: the input sizes in pixels
                in the order of training, which the file does not tell.

        Raises:
            FormatError: If the file is none of these; says what its shapes are.
            FamilyMismatchError: If it cannot be for ``family``.
            InvalidArgumentError: If ``family`` or ``resolutions`` is needed and missing.
        """
        path = Path(path)
        if isinstance(family, str):
            family = get_family(family)
        if not path.is_file():
            raise FormatError(f"`path` must be a file with an accuracy predictor, but {path} is "
                              f"not there.")  # fmt: skip
        if path.suffix == ".json":
            return cls._from_json(path, family)
        space, model = read_state_dict(path, family, resolutions)
        metadata = {"file": path.name, "encoding": model.encoding.name}
        return cls(space=space, model=model, metadata=metadata)

    @classmethod
    def fit(
        cls,
        space: SearchSpace,
        subnets: Iterable[Subnet] | Matrix,
        top1: ArrayLike,
        *,
        penalty: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AccuracyPredictor:
        """Fit ridge regression on ordered choices to measured subnets.

        Repeated measurements of a subnet are averaged first.

        Args:
            space: The space that the subnets come from and that shall be predicted.
            subnets: ``n`` subnets, or a genotype matrix.
            top1: ``(n,)`` measured accuracies in percent.
            penalty: Weight of the squared coefficients, positive; None takes the one with the
                least leave-one-out error.
            metadata: Where the measurements come from (JSON).

        Raises:
            InvalidArgumentError: If the lengths differ, a value is not finite, there are fewer
                than two different subnets, or ``penalty`` is not positive.
        """
        if penalty is not None and not penalty > 0:
            raise InvalidArgumentError(f"`penalty` must be positive, but got {penalty}.")
        matrix = (
            space.canonicalize(space.check(subnets))
            if isinstance(subnets, np.ndarray)
            else space.to_matrix(subnets)
        )
        values = np.asarray(top1, dtype=float)
        if values.shape != (len(matrix),) or not np.isfinite(values).all():
            raise InvalidArgumentError(
                f"`top1` must be {len(matrix)} finite numbers, one a subnet, but got shape "
                f"{values.shape} with {int((~np.isfinite(values)).sum())} that are not finite."
            )
        unique, group = np.unique(matrix, axis=0, return_inverse=True)
        if len(unique) < 2:
            raise InvalidArgumentError(f"`subnets` must be at least two different ones, but got "
                                       f"{len(unique)}.")  # fmt: skip
        group = group.ravel()  # numpy 2.0 gives it two dimensions
        means = np.bincount(group, values) / np.bincount(group)
        model = RidgeModel.fit(space, unique, means, penalty)
        return cls(space=space, model=model, metadata=metadata)

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Top-1 accuracy in percent, ``(n,)``."""
        return self.model.predict(np.asarray(matrix))

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64] | None:
        """Standard deviation in points, ``(n,)``; None for the published networks."""
        return self.model.predict_std(np.asarray(matrix))

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """The tangents of the published networks, the fitted model itself."""
        return self.model.local_model(anchors)

    def save(self, path: str | Path) -> None:
        """Write a fitted predictor as JSON; an existing file is replaced as a whole.

        Raises:
            InvalidArgumentError: If it is a published network, which has a file already.
        """
        if not isinstance(self.model, RidgeModel):
            raise InvalidArgumentError(
                f"`model` must be a fitted one to be saved, but got {type(self.model).__name__}; "
                f"copy the published file instead."
            )
        data = {
            "format": FORMAT,
            "version": VERSION,
            "family": self.space.family.name,
            "choices": self.space.choices,
            "metadata": self.metadata,
            "model": self.model.to_dict(),
        }
        with replacing(Path(path)) as place:
            place.write_text(json.dumps(data, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def _from_json(cls, path: Path, family: Family | None) -> AccuracyPredictor:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise FormatError(f"`path` must be JSON, but {path} is not: {error}") from error
        if not isinstance(data, dict) or (data.get("format"), data.get("version")) != (
            FORMAT,
            VERSION,
        ):
            raise FormatError(f"`path` must hold {FORMAT!r} version {VERSION}, but {path} does "
                              f"not.")  # fmt: skip
        missing = [key for key in ("family", "choices", "metadata", "model") if key not in data]
        if missing:
            raise FormatError(f"`path` must hold {missing} too, but {path} does not.")
        family = family or get_family(data["family"])
        if family.name != data["family"]:
            raise FamilyMismatchError(f"`family` must be {data['family']} for {path}, but got "
                                      f"{family.name}.")  # fmt: skip
        try:
            space = _space(family, data["choices"])
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"`choices` of {path} must be those of {family.name}, but: "
                              f"{error!r}.") from error  # fmt: skip
        model = RidgeModel.from_dict(space, data["model"])
        return cls(space=space, model=model, metadata=data["metadata"])


def _space(family: Family, choices: Mapping[str, Sequence[int]]) -> SearchSpace:
    kept = {gene.name: [gene.value(c) for c in choices[gene.name]] for gene in family.genes[1:]}
    return SearchSpace(family, resolution=choices["resolution"]).restrict(parameters=kept)
