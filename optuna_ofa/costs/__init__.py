"""What a subnet costs in closed form: multiply-adds, parameters, and any sum over layers."""

from optuna_ofa.costs._layer_sum import LayerSum, Placement, placements
from optuna_ofa.costs._macs import layer_macs, layer_params, se_channels

__all__ = ["LayerSum", "Placement", "layer_macs", "layer_params", "placements", "se_channels"]
