"""What a supernet can be: families, subnets, search spaces and the layers of a network."""

from optuna_ofa.space._families import (
    families,
    get_family,
    known_families,
    mobilenet_v3_small_images,
)
from optuna_ofa.space._family import (
    Family,
    Gene,
    GeneKind as GeneKind,
    Head,
    Stage,
    Stem,
    make_divisible,
)
from optuna_ofa.space._genotype import (
    full_depth as full_depth,
    genotype_of,
    row_of as row_of,
    subnet_of,
)
from optuna_ofa.space._layer import Layer
from optuna_ofa.space._matrix import (
    MAX_LISTED as MAX_LISTED,
    Keys as Keys,
    Matrix as Matrix,
    absent as absent,
    first_of_each as first_of_each,
    keys_of as keys_of,
)
from optuna_ofa.space._slots import Slot, slot_layers, slots, strided as strided, subnet_layers
from optuna_ofa.space._space import SearchSpace, space_of_choices as space_of_choices
from optuna_ofa.space._subnet import Subnet, checked_entries as checked_entries

__all__ = [
    "Family",
    "Gene",
    "Head",
    "Layer",
    "SearchSpace",
    "Slot",
    "Stage",
    "Stem",
    "Subnet",
    "families",
    "genotype_of",
    "get_family",
    "known_families",
    "make_divisible",
    "mobilenet_v3_small_images",
    "slot_layers",
    "slots",
    "subnet_layers",
    "subnet_of",
]
