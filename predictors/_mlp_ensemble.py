"""One or several networks on one-hot inputs that are fitted to measured subnets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from optuna_ofa._files import decode_array, encode_array
from optuna_ofa.exceptions import FormatError
from optuna_ofa.formats import space_encoding
from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._mlp_training import train_mlp
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.predictors.accuracy._onehot_mlp import OneHotMLP
from optuna_ofa.space import Matrix, SearchSpace

_N_MEMBERS = 5
_MAX_MEMBERS = 100


class MLPEnsemble(AccuracyModel):
    """The mean of networks; how far they are apart says how certain it is.

    Args:
        members: One network, which has no standard deviation, or several.
        noise: Standard deviation in points of what their spread does not tell.
    """

    def __init__(self, *, members: Sequence[OneHotMLP], noise: float = 0.0) -> None:
        self._members = tuple(members)
        self._noise = noise

    @classmethod
    def fit_one(cls, space: SearchSpace, rows: MeasuredRows, *, seed: int) -> MLPEnsemble:
        """One network, fitted to all rows."""
        return cls(members=[train_mlp(space, rows, seed=seed)])

    @classmethod
    def fit(cls, space: SearchSpace, rows: MeasuredRows, *, seed: int) -> MLPEnsemble:
        """Five networks, each of which leaves out another fifth of the rows.

        What the errors on rows left out are beyond the spread of the networks is noise.
        """
        n = len(rows.top1)
        fold = np.random.default_rng(seed).permutation(n) % _N_MEMBERS
        members = [
            train_mlp(space, rows.select(fold != i), seed=seed + i) for i in range(_N_MEMBERS)
        ]
        predicted = np.stack([member.predict(rows.matrix) for member in members])
        left_out = np.mean((predicted[fold, np.arange(n)] - rows.top1) ** 2)
        noise = float(np.sqrt(max(left_out - predicted.var(axis=0, ddof=1).mean(), 0.0)))
        return cls(members=members, noise=noise)

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Top-1 accuracies in percent, ``(n,)``."""
        return np.asarray(sum(m.predict(matrix) for m in self._members) / len(self._members))

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64] | None:
        """Standard deviations in points; None for a single network."""
        if len(self._members) == 1:
            return None
        spread = np.stack([m.predict(matrix) for m in self._members]).var(axis=0, ddof=1)
        return np.asarray(np.sqrt(spread + self._noise**2))

    def local_model(self, anchors: Matrix) -> LocalModel:
        """The mean of the networks' tangents."""
        models = [member.local_model(anchors) for member in self._members]
        return lambda matrix, anchor: np.asarray(
            sum(model(matrix, anchor) for model in models) / len(models)
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready numbers."""
        return {
            "kind": "mlp" if len(self._members) == 1 else "ensemble",
            "noise": self._noise,
            "members": [
                {"base": member.base, "layers": [_layer_dict(*layer) for layer in member.layers]}
                for member in self._members
            ],
        }

    @classmethod
    def from_dict(cls, space: SearchSpace, data: Mapping[str, Any]) -> MLPEnsemble:
        """Read what `to_dict` wrote.

        Raises:
            FormatError: If something is missing or does not fit the space.
        """
        try:
            noise, entries = float(data["noise"]), list(data["members"])
            parts = [(float(entry["base"]), list(entry["layers"])) for entry in entries]
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"`model` must hold networks, but: {error!r}.") from error
        numbers = [noise, *(base for base, _ in parts)]
        if not 1 <= len(parts) <= _MAX_MEMBERS or not np.isfinite(numbers).all():
            raise FormatError(
                f"`model` must have 1 to {_MAX_MEMBERS} networks with finite numbers, but has "
                f"{len(parts)}, with {numbers[:5]}."
            )
        encoding = space_encoding(space)
        members = [
            OneHotMLP(
                encoding=encoding, space=space, base=base, layers=_layers(layers, encoding.n_inputs)
            )
            for base, layers in parts
        ]
        return cls(members=members, noise=noise)


def _layer_dict(weight: torch.Tensor, bias: torch.Tensor | None) -> dict[str, Any]:
    assert bias is not None  # only published networks have none
    return {"weight": encode_array(weight.numpy()), "bias": encode_array(bias.numpy())}


def _layers(
    entries: Sequence[Mapping[str, Any]], n_inputs: int
) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Linear layers from the one-hot inputs to one output."""
    layers: list[tuple[torch.Tensor, torch.Tensor | None]] = []
    for entry in entries:
        weight = decode_array(entry, "weight", np.float32, (None, n_inputs))
        bias = decode_array(entry, "bias", np.float32, (len(weight),))
        layers.append((torch.from_numpy(weight), torch.from_numpy(bias)))
        n_inputs = len(weight)
    if not layers or n_inputs != 1:
        raise FormatError(
            f"`layers` must end in one output, but there are {len(layers)}, and the last has "
            f"{n_inputs} outputs."
        )
    return layers
