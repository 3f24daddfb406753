"""Supernets in torch: build one from a family, load weights, activate or extract a subnet."""

from optuna_ofa.supernet._batch_norm import batch_norm_tensors as batch_norm_tensors
from optuna_ofa.supernet._blocks import build_layer as build_layer
from optuna_ofa.supernet._checkpoint import (
    check_weights as check_weights,
    described as described,
    load_supernet,
    newer_keys as newer_keys,
    save_supernet,
    write_tensors as write_tensors,
)
from optuna_ofa.supernet._elastic import Elastic as Elastic
from optuna_ofa.supernet._finite import not_finite as not_finite, require_finite as require_finite
from optuna_ofa.supernet._images import (
    check_batch as check_batch,
    check_images as check_images,
    resize_images,
)
from optuna_ofa.supernet._own_weights import (
    projection_name as projection_name,
    slice_own_weights as slice_own_weights,
)
from optuna_ofa.supernet._supernet import (
    Supernet,
    build_plain as build_plain,
    slot_modules as slot_modules,
)

__all__ = ["Supernet", "load_supernet", "resize_images", "save_supernet"]
