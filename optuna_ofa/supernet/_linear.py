"""Elastic linear layer."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from optuna_ofa.supernet._elastic import Elastic, Size, filled, first


class ElasticLinear(Elastic, nn.Linear):
    """Linear layer with bias whose number of input features is elastic.

    Args:
        in_features: Most features that come in.
        out_features: Features that go out.
    """

    def __init__(self, in_features: int, out_features: int):
        super().__init__(in_features, out_features)
        self.active = Size(in_features, out_features)

    def forward(self, input: Tensor) -> Tensor:
        """Multiply with the active weight."""
        return F.linear(input, first(self.weight, self.active.in_channels, 1), self.bias)

    def extract(self, size: Size | None = None) -> nn.Linear:
        """The plain layer of that size with a copy of its weights."""
        n_in = (size or self.active).in_channels
        linear = nn.Linear(n_in, self.out_features, device="meta")
        return filled(linear, {"weight": self.weight[:, :n_in], "bias": self.bias})
