"""Supernet families, subnets, search spaces and the layers of a network."""

from optuna_ofa.space._families import (
    families,
    get_family,
    known_families as known_families,
    mobilenet_v3_small_images,
)
from optuna_ofa.space._family import (
    Family,
    Gene as Gene,
    GeneKind as GeneKind,
    Head,
    Stage,
    Stem,
    make_divisible as make_divisible,
)
from optuna_ofa.space._genotype import (
    full_depth as full_depth,
    genotype_of as genotype_of,
    genotype_row as genotype_row,
    subnet_of as subnet_of,
)
from optuna_ofa.space._layer import Layer
from optuna_ofa.space._matrix import (
    MAX_LISTED as MAX_LISTED,
    Keys as Keys,
    Matrix,
    absent as absent,
    first_of_each as first_of_each,
    keys_of,
)
from optuna_ofa.space._slots import (
    Slot as Slot,
    slot_layers as slot_layers,
    slots as slots,
    strided as strided,
    subnet_layers,
)
from optuna_ofa.space._space import SearchSpace, space_of_choices as space_of_choices
from optuna_ofa.space._subnet import Subnet, checked_entries as checked_entries

__all__ = [
    "Family",
    "Head",
    "Layer",
    "Matrix",
    "SearchSpace",
    "Stage",
    "Stem",
    "Subnet",
    "families",
    "get_family",
    "keys_of",
    "mobilenet_v3_small_images",
    "subnet_layers",
]
