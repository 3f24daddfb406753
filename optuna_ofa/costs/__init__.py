"""What a subnet costs in closed form: multiply-adds, parameters, memory, any sum over layers."""

from optuna_ofa.costs._layer_sum import LayerMax, LayerSum, Placement, placements
from optuna_ofa.costs._macs import layer_macs, layer_params, se_channels
from optuna_ofa.costs._memory import layer_bytes_moved, layer_peak_bytes
from optuna_ofa.costs._operators import Operator, layer_operators

__all__ = [
    "LayerMax",
    "LayerSum",
    "Operator",
    "Placement",
    "layer_bytes_moved",
    "layer_macs",
    "layer_operators",
    "layer_params",
    "layer_peak_bytes",
    "placements",
    "se_channels",
]
