"""Costs of subnets in closed form: multiply-adds, parameters, memory, and any sum over layers."""

from optuna_ofa.costs._layer_sum import LayerMax, LayerSum, placements as placements
from optuna_ofa.costs._macs import (
    layer_macs,
    layer_params,
    se_channels as se_channels,
    squeezed_channels as squeezed_channels,
)
from optuna_ofa.costs._micro_arena import (
    KILOBYTE as KILOBYTE,
    MICRO_RUNTIME as MICRO_RUNTIME,
    ArenaBytes as ArenaBytes,
    arena_bytes as arena_bytes,
)
from optuna_ofa.costs._micro_flash import (
    flash_bytes as flash_bytes,
    layer_flash_bytes as layer_flash_bytes,
    shared_flash_bytes as shared_flash_bytes,
)
from optuna_ofa.costs._operators import (
    layer_bytes_moved as layer_bytes_moved,
    layer_operators as layer_operators,
    layer_peak_bytes as layer_peak_bytes,
)

__all__ = ["LayerMax", "LayerSum", "layer_macs", "layer_params"]
