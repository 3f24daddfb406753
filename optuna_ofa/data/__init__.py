"""Data that comes with the package (made by the scripts in ``examples/``), and example images."""

from optuna_ofa.data._boards import (
    MEMORIES as MEMORIES,
    Board as Board,
    board_that_fits as board_that_fits,
    find_board as find_board,
    known_boards as known_boards,
)
from optuna_ofa.data._fashion_mnist import ImageData as ImageData, fashion_mnist, halves
from optuna_ofa.data._find import (
    AccuracySource as AccuracySource,
    Found as Found,
    HardwareSource as HardwareSource,
    choices_of as choices_of,
    covered_space as covered_space,
    find_accuracy as find_accuracy,
    find_hardware as find_hardware,
    predictor_on as predictor_on,
)
from optuna_ofa.data._packaged import (
    default_table_name as default_table_name,
    is_packaged as is_packaged,
    packaged_accuracies,
    packaged_accuracy as packaged_accuracy,
    packaged_images,
    packaged_supernet,
    packaged_table,
    table_names,
)

__all__ = [
    "fashion_mnist",
    "halves",
    "packaged_accuracies",
    "packaged_images",
    "packaged_supernet",
    "packaged_table",
    "table_names",
]
