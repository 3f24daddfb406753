"""Where the packaged files are, and which latency tables are among them."""

from __future__ import annotations

from pathlib import Path

PACKAGED = Path(__file__).parent / "data"
_ENDING = ".latency.json"


def packaged_tables(family: str) -> dict[str, Path]:
    """Return the packaged latency tables of a family by the name of their device, sorted.

    Args:
        family: Name of a published family.
    """
    files = sorted(PACKAGED.glob(f"{family}.*{_ENDING}"))
    return {f.name.removeprefix(f"{family}.").removesuffix(_ENDING): f for f in files}
