"""Subnets in the formats of others: ``net.config``, one-hot encodings, published tables."""

from optuna_ofa.formats._dialects import subnet_from_dialect, subnet_to_dialect
from optuna_ofa.formats._measured_csv import (
    MeasuredSubnets as MeasuredSubnets,
    read_measured_subnets,
)
from optuna_ofa.formats._net_config import net_config
from optuna_ofa.formats._net_config_files import (
    read_net_config,
    read_specialized as read_specialized,
)
from optuna_ofa.formats._net_config_reader import layers_from_net_config, subnet_from_net_config
from optuna_ofa.formats._onehot import (
    OneHotEncoding as OneHotEncoding,
    mobilenet_encoding as mobilenet_encoding,
    resnet_encoding as resnet_encoding,
    tutorial_encoding as tutorial_encoding,
)

__all__ = [
    "layers_from_net_config",
    "net_config",
    "read_measured_subnets",
    "read_net_config",
    "subnet_from_dialect",
    "subnet_from_net_config",
    "subnet_to_dialect",
]
