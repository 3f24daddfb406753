"""The models behind an accuracy predictor: the published networks, and ridge regression."""

from __future__ import annotations

import abc
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from optuna_ofa._errors import FormatError
from optuna_ofa.costs import LayerSum, layer_macs, layer_params
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._onehot import Encoding
from optuna_ofa.space._space import Matrix

# Matrix products give other last bits at other sizes, so rows always go through in this many.
_BLOCK = 128
# What a fit chooses from where no penalty is given.
_PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# The number of torch's threads belongs to the program: one prediction at a time may change it.
_TORCH_THREADS = threading.Lock()


class AccuracyModel(abc.ABC):
    """Maps a genotype matrix to top-1 accuracies. Called by `AccuracyPredictor`."""

    @abc.abstractmethod
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Top-1 accuracies in percent, ``(n,)``."""

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64] | None:
        """Standard deviations in points, ``(n,)``; None where the model has none."""
        return None


class PublishedMLP(AccuracyModel):
    """A published multilayer perceptron on one-hot inputs; its output is a fraction.

    Args:
        encoding: How its inputs are made.
        space: The space of the matrices.
        layers: Weight and bias of each linear layer, ReLU between them.
        base: Added to the output.
    """

    def __init__(
        self,
        *,
        encoding: Encoding,
        space: SearchSpace,
        layers: list[tuple[torch.Tensor, torch.Tensor | None]],
        base: float = 0.0,
    ) -> None:
        self.encoding = encoding
        self._space = space
        self._layers = layers
        self._base = base

    @torch.inference_mode()
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Top-1 accuracies in percent, ``(n,)``."""
        rows = self._space.check(matrix)
        inputs = torch.from_numpy(self.encoding.encode(self._space, rows))
        padded = torch.zeros(-(-len(inputs) // _BLOCK) * _BLOCK, inputs.shape[1])
        padded[: len(inputs)] = inputs
        outputs = _on_all_cores(self._forward, torch.split(padded, _BLOCK))
        fractions = torch.cat(outputs)[: len(inputs), 0] if outputs else torch.empty(0)
        return (fractions.numpy().astype(np.float64) + self._base) * 100

    @torch.inference_mode()  # a mode of the thread, not of the program
    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        for i, (weight, bias) in enumerate(self._layers):
            x = torch.nn.functional.linear(x.relu_() if i else x, weight, bias)
        return x


def _on_all_cores(
    forward: Callable[[torch.Tensor], torch.Tensor], blocks: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Each block on one core, several at a time.

    Torch's own threads share each product and wait for each other after it, which makes products
    this small 25 times slower where other programs use the processor too.
    """
    with _TORCH_THREADS:
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            if n_threads == 1 or len(blocks) < 8:
                return [forward(block) for block in blocks]
            with ThreadPoolExecutor(n_threads) as pool:
                return list(pool.map(forward, blocks))
        finally:
            torch.set_num_threads(n_threads)


class Thermometer:
    """Features of a subnet for linear models.

    For each gene and each choice above none: whether the gene is at least that large (so a
    kernel has three steps: active, k >= 5, k >= 7). Then the logarithms of MACs and parameters,
    and their squares. One-hot inputs lose the order of the choices and need far more subnets.

    Args:
        space: The space of the matrices.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._macs = LayerSum(space, lambda layer, _: layer_macs(layer))
        self._params = LayerSum(space, lambda layer, _: layer_params(layer))
        self._space = space
        marker = "kernel" if space.family.block == "mbconv" else "expand"
        steps = [
            (j, choice)
            for j, gene in enumerate(space.genes)
            # one gene of each block tells by its first step that the block is there
            for choice in space.choices[gene.name][gene.kind != marker :]
        ]
        self._columns = np.array([j for j, _ in steps])
        self._thresholds = np.array([choice for _, choice in steps], dtype=np.int16)
        ends = space.to_matrix([space.smallest(), space.largest()])
        self._low, high = self._logs(ends)
        self._range = np.maximum(high - self._low, 1e-9)

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """``(n, n_features)`` numbers, the logarithms scaled to 0..1 over the space."""
        rows = self._space.canonicalize(self._space.check(matrix))
        steps = rows[:, self._columns] >= self._thresholds
        logs = (self._logs(rows) - self._low) / self._range
        # one subnet after the other in memory, so that sums over features have one order
        return np.ascontiguousarray(np.concatenate([steps, 3 * logs, logs**2], axis=1))

    def _logs(self, rows: Matrix) -> NDArray[np.float64]:
        return np.log(np.stack([self._macs(rows), self._params(rows)], axis=1))


class RidgeModel(AccuracyModel):
    """Bayesian ridge regression on `Thermometer` features.

    Args:
        space: The space of the matrices.
        weights: ``(n_features,)`` in points.
        mean: ``(n_features,)`` mean of the features it was fitted on.
        top1: Mean accuracy it was fitted on, in percent.
        noise: Standard deviation of the residuals in points.
        covariance: ``(n_features, n_features)`` inverse of the regularised Gram matrix.
    """

    def __init__(
        self,
        *,
        space: SearchSpace,
        weights: NDArray[np.float64],
        mean: NDArray[np.float64],
        top1: float,
        noise: float,
        covariance: NDArray[np.float64],
    ) -> None:
        self._features = Thermometer(space)
        self._weights, self._mean, self._top1 = weights, mean, top1
        self._noise, self._covariance = noise, covariance

    @classmethod
    def fit(
        cls,
        space: SearchSpace,
        matrix: Matrix,
        top1: NDArray[np.float64],
        penalty: float | None = None,
    ) -> RidgeModel:
        """Fit by least squares with a penalty on the squared weights.

        None takes the penalty with the least leave-one-out error.
        """
        features = Thermometer(space)(matrix)
        mean, level = features.mean(axis=0), float(top1.mean())
        centred = features - mean
        if penalty is None:
            penalty = _best_penalty(centred, top1 - level)
        gram = centred.T @ centred + penalty * np.eye(features.shape[1])
        covariance = np.linalg.inv(gram)
        weights = covariance @ (centred.T @ (top1 - level))
        # parameters that the data really pays for: the trace of the hat matrix
        n_effective = float(np.trace(covariance @ (centred.T @ centred))) + 1
        residuals = top1 - level - centred @ weights
        noise = float(np.sqrt(residuals @ residuals / max(len(top1) - n_effective, 1.0)))
        return cls(space=space, weights=weights, mean=mean, top1=level, noise=noise,
                   covariance=covariance)  # fmt: skip

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Top-1 accuracies in percent, ``(n,)``."""
        # not a matrix product, whose last bits depend on the number of rows
        points = np.sum((self._features(matrix) - self._mean) * self._weights, axis=1)
        return np.asarray(self._top1 + points)

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64]:
        """Standard deviations in points, larger away from the subnets it was fitted on."""
        centred = self._features(matrix) - self._mean
        leverage = np.einsum("ij,jk,ik->i", centred, self._covariance, centred)
        return np.asarray(self._noise * np.sqrt(1 + leverage))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready numbers; the covariance, most of a file, has six significant digits."""
        return {
            "top1": self._top1,
            "noise": self._noise,
            "weights": self._weights.tolist(),
            "mean": self._mean.tolist(),
            "covariance": [float(f"{v:.10g}") for v in self._covariance.ravel()],
        }

    @classmethod
    def from_dict(cls, space: SearchSpace, data: Mapping[str, Any]) -> RidgeModel:
        """Read what `to_dict` wrote.

        Raises:
            FormatError: If numbers are missing or their count does not fit the space.
        """
        try:
            weights = np.array(data["weights"], dtype=float)
            n = len(weights)
            model = cls(
                space=space, weights=weights, mean=np.array(data["mean"], dtype=float),
                top1=float(data["top1"]), noise=float(data["noise"]),
                covariance=np.array(data["covariance"], dtype=float).reshape(n, n),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"`model` must hold the numbers of a ridge model, but: "
                              f"{error!r}.") from error  # fmt: skip
        n_features = model._features(space.to_matrix([space.smallest()])).shape[1]
        if n != n_features or len(model._mean) != n:
            raise FormatError(f"`weights` must have {n_features} numbers for {space}, but got {n}.")
        return model


def _best_penalty(centred: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """The penalty whose fit predicts each row best from all others, in closed form.

    With the hat matrix H the error of a left-out row is its residual over 1 - H_ii; the mean
    takes another 1/n.
    """
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    errors = []
    for penalty in _PENALTIES:
        shrink = s**2 / (s**2 + penalty)
        residuals = targets - u @ (shrink * (u.T @ targets))
        leverage = (u**2) @ shrink + 1 / len(targets)
        errors.append(float(np.mean((residuals / np.maximum(1 - leverage, 1e-9)) ** 2)))
    return _PENALTIES[int(np.argmin(errors))]
