"""Keys of entries from the arguments of the estimators of ProxylessNAS and Once-for-All."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from optuna_ofa._rules import shown
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors.latency._dialects import Shape, TableDialect

_SHAPE = re.compile(r"\d{1,7}(?:x\d{1,7}){0,2}")
_ARGUMENTS = {"kernel": "ks", "idskip": "id_skip", "hs": "h_swish"}


def shape(value: Shape | str) -> Shape:
    """Return a shape that may be a text, ``"112x112x16"``, or a number of channels.

    Raises:
        InvalidArgumentError: If it is neither.
    """
    sizes = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    text = "x".join(str(size) for size in sizes)
    if not _SHAPE.fullmatch(text):
        raise InvalidArgumentError(
            f"`input_shape` and `output_shape` must be one to three sizes, [112, 112, 16] or "
            f"'112x112x16', but got {shown(value)}."
        )
    return [int(size) for size in text.split("x")]


def block_fields(dialect: TableDialect, given: Mapping[str, float | None]) -> dict[str, str]:
    """Return the fields of a block's key.

    Raises:
        InvalidArgumentError: If one is missing, or the dialect has others.
    """
    unknown = [name for name in dialect.fields if name not in given]
    if unknown:
        raise InvalidArgumentError(
            f"`l_type` must not be a block in the dialect {dialect.name}, whose keys have "
            f"{', '.join(unknown)} too; use `layer`, but got {dialect.layer_types['block']!r}."
        )
    for name in dialect.fields:
        if given[name] is None:
            raise InvalidArgumentError(
                f"`{_ARGUMENTS.get(name, name)}` must be given for a block of the dialect "
                f"{dialect.name}, but got None."
            )
    return {name: f"{float(given[name] or 0):g}" for name in dialect.fields}
