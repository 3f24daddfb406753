"""What comes with the package (made by the scripts in ``examples/``), and image data to try."""

from optuna_ofa.data._fashion_mnist import ImageData, fashion_mnist
from optuna_ofa.data._packaged import (
    default_table_name,
    packaged_accuracy,
    packaged_table,
    table_names,
)

__all__ = [
    "ImageData",
    "default_table_name",
    "fashion_mnist",
    "packaged_accuracy",
    "packaged_table",
    "table_names",
]
