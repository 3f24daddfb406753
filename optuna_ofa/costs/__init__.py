"""What a subnet costs in closed form: multiply-adds, parameters, and any sum over layers."""

from optuna_ofa.costs._layer_sum import LayerSum
from optuna_ofa.costs._macs import layer_macs, layer_params

__all__ = ["LayerSum", "layer_macs", "layer_params"]
