"""Where legends are."""

from __future__ import annotations

# Its top is fixed: one of several lines would grow over the title of the axis otherwise.
BELOW = {"orientation": "h", "y": -0.18, "yanchor": "top"}
