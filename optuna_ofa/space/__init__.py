"""What a supernet can be: families, subnets, search spaces and the layers of a network."""

from optuna_ofa.space._dialects import subnet_from_dialect, subnet_to_dialect
from optuna_ofa.space._families import (
    families,
    get_family,
    known_families,
    mobilenet_v3_small_images,
)
from optuna_ofa.space._family import Family, Gene, Head, Stage, Stem, make_divisible
from optuna_ofa.space._genotype import genotype_of, subnet_of
from optuna_ofa.space._layer import Layer
from optuna_ofa.space._measured import MeasuredSubnets, read_measured_subnets
from optuna_ofa.space._net_config import net_config
from optuna_ofa.space._net_config_files import read_net_config, read_specialized
from optuna_ofa.space._net_config_layers import layers_from_net_config
from optuna_ofa.space._net_config_subnet import subnet_from_net_config
from optuna_ofa.space._onehot import (
    Encoding,
    mobilenet_encoding,
    resnet_encoding,
    tutorial_encoding,
)
from optuna_ofa.space._slots import Slot, slot_layers, slots, subnet_layers
from optuna_ofa.space._space import SearchSpace
from optuna_ofa.space._subnet import Subnet

__all__ = [
    "Encoding",
    "Family",
    "Gene",
    "Head",
    "Layer",
    "MeasuredSubnets",
    "SearchSpace",
    "Slot",
    "Stage",
    "Stem",
    "Subnet",
    "families",
    "genotype_of",
    "get_family",
    "known_families",
    "layers_from_net_config",
    "make_divisible",
    "mobilenet_encoding",
    "mobilenet_v3_small_images",
    "net_config",
    "read_measured_subnets",
    "read_net_config",
    "read_specialized",
    "resnet_encoding",
    "slot_layers",
    "slots",
    "subnet_from_dialect",
    "subnet_from_net_config",
    "subnet_layers",
    "subnet_of",
    "subnet_to_dialect",
    "tutorial_encoding",
]
