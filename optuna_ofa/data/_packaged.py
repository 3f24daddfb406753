"""Files that come with the package.

Their names are ``FAMILY.accuracy.json``, ``FAMILY.linear.accuracy.json``,
``FAMILY.DEVICE.latency.json`` and, for a supernet that the package trained itself, ``FAMILY.pth``,
``FAMILY.measured.csv`` and ``FAMILY.images.npz``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa._files import read_text
from optuna_ofa._packaged_tables import PACKAGED, packaged_tables
from optuna_ofa._parsing import parse_csv
from optuna_ofa._torch import torch
from optuna_ofa.data._fashion_mnist import ImageData, normalized
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family, SearchSpace, known_families

if TYPE_CHECKING:
    from optuna_ofa.supernet import Supernet

_DEFAULT = "cpu-torch"
# supernets that were trained on the images of another one
_SAME_IMAGES = {"microcontroller_fashion": "ofa_mbv3_fashion"}


def packaged_accuracy(family: Family, kind: Literal["", "linear"] = "") -> Path | None:
    """Return a packaged accuracy predictor of a family, if there is one.

    Args:
        family: The family.
        kind: Empty for the best one, which a study takes by default; ``"linear"`` for one that is
            linear in the choices and the logarithms of the costs, for exact optimisation.
    """
    name = f"{family.name}.{kind}" if kind else family.name
    path = PACKAGED / f"{name}.accuracy.json"
    return path if family in known_families() and path.is_file() else None


def is_packaged(family: Family) -> bool:
    """Whether a supernet of a family comes with the package, with its images."""
    return family in known_families() and (PACKAGED / f"{family.name}.pth").is_file()


@checked
def packaged_supernet(name: str = "ofa_mbv3_fashion") -> Supernet:
    """Return a trained supernet included in the package.

    Args:
        name: Name of its family.

    Returns:
        The supernet on the CPU, in evaluation mode. Its batch-normalisation statistics are not
        valid for any subnet; `optuna_ofa.evaluate` and `optuna_ofa.evaluation.recalibrate`
        recompute them.

    Raises:
        InvalidArgumentError: If the package has none of that name.
    """
    from optuna_ofa.supernet import load_supernet  # needs torch

    return load_supernet(name, weights=_own(name, ".pth")).eval()


@checked
def packaged_accuracies(
    name: str = "ofa_mbv3_fashion",
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Return measured accuracies of subnets of a supernet that comes with the package.

    Args:
        name: Name of its family.

    Returns:
        ``(n, n_genes)`` genotypes, the smallest and the largest subnet first, and ``(n,)`` top-1
        in percent on one half of the test images.

    Raises:
        InvalidArgumentError: If the package has none of that name.
    """
    path = _own(name, ".measured.csv")
    rows = [row for _, row in parse_csv(read_text(path), path)[1]]
    genes = [gene.name for gene in SearchSpace(name).genes]
    matrix = np.array([[row[gene] for gene in genes] for row in rows], dtype=np.int16)
    return matrix, np.array([row["top1"] for row in rows], dtype=float)


@checked
def packaged_images(name: str = "ofa_mbv3_fashion") -> ImageData:
    """Return images for a supernet that comes with the package, without a download.

    They are for measuring what a search has found: neither the packaged weights nor the packaged
    accuracy predictor were fitted to the test images.

    Args:
        name: Name of the family; those of Fashion-MNIST have the same images, of 28 pixels,
            which evaluation and training resize.

    Returns:
        500 training images for recalibrating batch normalisation, and 2,000 test images
        of Fashion-MNIST, normalised as `fashion_mnist` does, the same number of each class.

    Raises:
        InvalidArgumentError: If the package has none of that name.
    """
    with np.load(_own(name, ".images.npz", _SAME_IMAGES)) as file:
        train, test = (
            normalized(*(torch.from_numpy(file[f"{part}_{kind}"]) for kind in ("images", "labels")))
            for part in ("train", "test")
        )
    return ImageData(train, test)


def _own(name: str, ending: str, shared: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Return a packaged file of a family whose supernet comes with the package.

    Args:
        name: Name of the family.
        ending: End of the file's name.
        shared: Families that have the file of another one.
    """
    files = {file.name.removesuffix(ending): file for file in PACKAGED.glob(f"*{ending}")}
    files |= {name: files[other] for name, other in shared.items()}
    if name not in files:
        raise InvalidArgumentError(
            f"`name` must be one of {', '.join(sorted(files))}, but got {name!r}."
        )
    return files[name]


@checked
def packaged_table(name: str, family: Family) -> Path | None:
    """Return the packaged latency table of a device for a family, if there is one."""
    return packaged_tables(family.name)[name] if name in table_names(family) else None


def default_table_name(family: Family) -> str | None:
    """Return the packaged table that a study takes by default; None if there is none."""
    names = table_names(family)
    return _DEFAULT if _DEFAULT in names else next(iter(names), None)


@checked
def table_names(family: Family) -> list[str]:
    """Names of the devices for which a family has packaged tables."""
    if family not in known_families():  # names of custom families may have any characters
        return []
    return list(packaged_tables(family.name))
