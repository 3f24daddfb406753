"""The images behind an accuracy, as setups and the metadata of predictors name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Images(NamedTuple):
    """Images that accuracies were measured on.

    Args:
        name: Their SHA-256, or a name.
        n: Their number, if known.
    """

    name: str
    n: int | None

    def __str__(self) -> str:
        """Return them in words: ``5,000 images (d661b962)``."""
        return f"{'' if self.n is None else f'{self.n:,} '}images ({self.name[:8]})"


def images_of(setup: Mapping[str, Any]) -> Images | None:
    """Return the images of a setup or of a predictor's metadata; None where they are not known."""
    data = setup.get("data")
    if isinstance(data, Mapping):
        name, n = data.get("images"), data.get("n_images")
    else:
        name, n = data, setup.get("n_images")
    return Images(name, n if isinstance(n, int) else None) if isinstance(name, str) else None
