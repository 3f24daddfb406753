"""Finding what comes with the package.

File names say what a file is: ``FAMILY.accuracy.json`` and ``FAMILY.DEVICE.latency.json``.
"""

from __future__ import annotations

from pathlib import Path

from optuna_ofa.space import Family

_FOLDER = Path(__file__).parent
_DEFAULT = "cpu-torch"


def packaged_accuracy(family: Family) -> Path | None:
    """The packaged accuracy predictor of a family, if there is one."""
    path = _FOLDER / f"{family.name}.accuracy.json"
    return path if path.is_file() else None


def packaged_table(name: str, family: Family) -> Path | None:
    """The packaged latency table of a device for a family, if there is one."""
    path = _FOLDER / f"{family.name}.{name}.latency.json"
    return path if name in table_names(family) else None


def default_table_name(family: Family) -> str | None:
    """The packaged table that a study takes where none is named; None without any."""
    names = table_names(family)
    return _DEFAULT if _DEFAULT in names else next(iter(names), None)


def table_names(family: Family) -> list[str]:
    """Names of the devices that a family has packaged tables of."""
    files = sorted(_FOLDER.glob(f"{family.name}.*.latency.json"))
    return [f.name.removeprefix(f"{family.name}.").removesuffix(".latency.json") for f in files]
