"""Colours that colour-blind readers can tell apart, after Okabe and Ito."""

from __future__ import annotations

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
GREY = "#BBBBBB"
# As in the ProxylessNAS paper: red, orange and blue. The blue is darker than Okabe and Ito's, so
# that the three differ in lightness as well.
_KERNELS = {3: "#005085", 5: "#E69F00", 7: "#D55E00"}


def kernel_colour(kernel: int) -> str:
    """The colour of a block with this kernel size."""
    return _KERNELS.get(kernel, "#CC79A7")


def shades(n: int) -> list[str]:
    """Several colours in an order, from light to dark."""
    scale = ("#F4E38A", "#A6CF8A", "#4AA08C", "#1F6C8C", "#2B2F5E")
    return [scale[round(i * (len(scale) - 1) / max(n - 1, 1))] for i in range(n)]


# Its top is fixed: one of several lines would grow over the title of the axis otherwise.
BELOW = {"orientation": "h", "y": -0.18, "yanchor": "top"}
