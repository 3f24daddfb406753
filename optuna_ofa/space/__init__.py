"""Supernet families, subnets and their formats, search spaces and the layers of a network."""

from optuna_ofa.space._choice_gene import ChoiceGene as ChoiceGene, Value as Value
from optuna_ofa.space._choice_table import (
    ChoiceTable as ChoiceTable,
    no_architecture as no_architecture,
)
from optuna_ofa.space._configuration import Configuration, values_text as values_text
from optuna_ofa.space._families import (
    families,
    family_named as family_named,
    known_families as known_families,
    mobilenet_v3_small_images,
)
from optuna_ofa.space._family import Family, Gene as Gene, GeneKind as GeneKind
from optuna_ofa.space._family_checks import ARCHITECTURES as ARCHITECTURES
from optuna_ofa.space._family_sources import family_source as family_source
from optuna_ofa.space._family_table import (
    family_differences as family_differences,
    family_from_json as family_from_json,
    other_family as other_family,
    require_family as require_family,
    table_from_json as table_from_json,
)
from optuna_ofa.space._find_family import find_family as find_family, get_family
from optuna_ofa.space._genotype import (
    AnySubnet as AnySubnet,
    full_depth as full_depth,
    genotype_of as genotype_of,
    genotype_row as genotype_row,
    subnet_of as subnet_of,
    table_of as table_of,
)
from optuna_ofa.space._layer import Layer, layer_from_dict as layer_from_dict, padding as padding
from optuna_ofa.space._matrix import (
    MAX_LISTED as MAX_LISTED,
    Keys as Keys,
    Matrix,
    absent as absent,
    first_of_each as first_of_each,
    keys_of as keys_of,
)
from optuna_ofa.space._parameters import is_choice as is_choice
from optuna_ofa.space._parts import (
    ACTIVATIONS as ACTIVATIONS,
    Head,
    Stage,
    Stem,
    make_divisible as make_divisible,
)
from optuna_ofa.space._slots import (
    Slot as Slot,
    slot_layers as slot_layers,
    slots as slots,
    strided as strided,
    subnet_layers,
)
from optuna_ofa.space._space import SearchSpace, restored_space as restored_space
from optuna_ofa.space._subnet import Subnet, text_template as text_template
from optuna_ofa.space.formats._dialects import subnet_from_dialect, subnet_to_dialect
from optuna_ofa.space.formats._measured import (
    MeasuredSubnets as MeasuredSubnets,
    read_measured_subnets,
)
from optuna_ofa.space.formats._net_config import net_config
from optuna_ofa.space.formats._net_config_files import (
    read_net_config,
    read_specialized as read_specialized,
)
from optuna_ofa.space.formats._net_config_reader import (
    layers_from_net_config,
    subnet_from_net_config,
)
from optuna_ofa.space.formats._onehot import (
    OneHotEncoding as OneHotEncoding,
    mobilenet_encoding as mobilenet_encoding,
    resnet_encoding as resnet_encoding,
    tutorial_encoding as tutorial_encoding,
)

__all__ = [
    "Configuration",
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
    "layers_from_net_config",
    "mobilenet_v3_small_images",
    "net_config",
    "read_measured_subnets",
    "read_net_config",
    "subnet_from_dialect",
    "subnet_from_net_config",
    "subnet_layers",
    "subnet_to_dialect",
]
