"""The canonical subnet of a trial as a user attribute, for whole batches.

What is stored is `Subnet.to_dict`; making tens of thousands of `Subnet` objects in between would
take far longer than the search.
"""

from __future__ import annotations

import functools
import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from optuna_ofa.exceptions import InvalidSubnetError
from optuna_ofa.problem import CLAIM, Items, in_parts
from optuna_ofa.space import (
    ChoiceTable,
    Family,
    GeneKind,
    Matrix,
    SearchSpace,
    full_depth,
    genotype_row,
    text_template,
    values_text,
)
from optuna_ofa.storage._choice_encoding import (
    configuration_dicts,
    configuration_rows,
    configuration_texts,
)

_KINDS: tuple[GeneKind, ...] = ("depth", "kernel", "expand", "width")
_DIGITS = string.digits.encode()
_NUMBER = re.compile(r"[0-9]{1,15}")  # of which floats have all digits
_NUMBERS_ONLY = bytes(i if i in _DIGITS + b"." else ord(" ") for i in range(256))


def compact_json(value: object) -> str:
    """Return JSON without spaces, which takes less room in each of millions of rows."""
    return json.dumps(value, separators=(",", ":"))


def subnet_dicts(family: Family | ChoiceTable, matrix: Matrix) -> list[dict[str, Any]]:
    """``Subnet.to_dict`` of each canonical row."""
    if isinstance(family, ChoiceTable):
        return configuration_dicts(family, matrix)
    columns: dict[str, list[Any]] = {"resolution": matrix[:, 0].tolist()}
    for kind in _KINDS:
        genes = matrix[:, np.array(family.columns(kind), dtype=np.intp)].tolist()
        if kind == "expand" and family.expand_scale != 1:
            genes = [[e and family.expand_ratio(e) for e in row] for row in genes]
        if kind == "depth":
            genes = [list(full_depth(family, row)) for row in genes]
        if genes and genes[0]:
            columns[kind] = genes
    names = list(columns)
    return [
        {"family": family.name, **dict(zip(names, row, strict=True))}
        for row in zip(*columns.values(), strict=True)
    ]


def subnet_rows(family: Family | ChoiceTable, subnets: Sequence[Mapping[str, Any]]) -> Matrix:
    """Return the canonical rows of what `subnet_dicts` made; not checked.

    Raises:
        KeyError, TypeError, ValueError: If one is nothing that `subnet_dicts` made.
    """
    if isinstance(family, ChoiceTable):
        return configuration_rows(family, subnets)
    rows = []
    for subnet in subnets:
        resolution, depth, expand = (subnet[key] for key in ("resolution", "depth", "expand"))
        kernel, width = subnet.get("kernel", ()), subnet.get("width", ())
        rows.append(genotype_row(family, resolution, depth, kernel, expand, width))
    return np.array(rows, dtype=np.int16).reshape(len(rows), len(family.genes))


def subnet_texts(family: Family | ChoiceTable, matrix: Matrix) -> list[str]:
    """Return the JSON of each of `subnet_dicts`, as `compact_json` writes it."""
    if isinstance(family, ChoiceTable):
        return configuration_texts(family, matrix)
    template = _head(family).replace("%", "%%") + _tail(family, "%s")
    columns = matrix.T.tolist()
    if family.expand_scale != 1:
        for j in family.columns("expand"):
            columns[j] = [e and family.expand_ratio(e) for e in columns[j]]
    return [template % row for row in zip(*columns, strict=True)]


def rows_of_texts(family: Family | ChoiceTable, texts: Sequence[str]) -> NDArray[Any]:
    """Return the canonical rows of what `subnet_texts` made, as wide numbers; not checked.

    What `json.dumps` writes, with a space after each sign, is read as well.

    All numbers of all texts are read in one go, in a few microseconds a text.

    Raises:
        ValueError: If one is nothing that `subnet_texts` would write for this family.
    """
    if isinstance(family, ChoiceTable):
        return configuration_rows(family, [json.loads(text) for text in texts])
    whole = family.expand_scale == 1
    numbers = _aligned_numbers(texts, len(_head(family))) if whole and len(texts) > 1 else None
    if numbers is None:
        numbers = _all_numbers(family, texts)
    else:
        _all_numbers(family, texts[:1])  # refuses all, if another text of the same form
    fixed = [entry for entries in _entries(family).values() for entry in entries]
    rows = numbers.reshape(len(texts), len(fixed))
    for j, entry in enumerate(fixed):
        if entry is not None and not (rows[:, j] == entry).all():
            raise ValueError(f"`texts` must have {entry} as number {j} for {family.name}.")
    if any(entry is not None for entry in fixed):
        rows = rows[:, [entry is None for entry in fixed]]
    if not whole:
        rows[:, family.columns("expand")] /= family.expand_scale
        rows = np.rint(rows)
    return np.asarray(rows)


def _all_numbers(family: Family, texts: Sequence[str]) -> NDArray[Any]:
    """Return all numbers of all texts after their heads.

    Raises:
        ValueError: As `rows_of_texts`.
    """
    head, tail = _head(family), _tail(family, "").encode()
    spaced = head.replace(":", ": ", 1)
    tails = "".join([text.removeprefix(head).removeprefix(spaced) for text in texts]).encode()
    if b" " in tails:
        tails = tails.replace(b", ", b",").replace(b": ", b":")
    dtype, symbols = (int, _DIGITS) if family.expand_scale == 1 else (float, _DIGITS + b".")
    if tails.translate(None, symbols) != len(texts) * tail.translate(None, symbols):
        raise ValueError(f"`texts` must all be of subnets of {family.name}.")
    return np.fromstring(tails.translate(_NUMBERS_ONLY), dtype=dtype, sep=" ")


def _aligned_numbers(texts: Sequence[str], n_head: int) -> NDArray[np.float64] | None:
    """Return the numbers of texts whose characters differ in digits alone, ``(n, n_numbers)``.

    Several times faster than others, for which it returns None.

    Args:
        texts: At least one.
        n_head: How many characters at the beginning are equal; digits among them are no numbers.
    """
    if len({len(text) for text in texts}) > 1:
        return None
    grid = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8)
    grid = grid.reshape(len(texts), -1)
    spans = [m.span() for m in _NUMBER.finditer(texts[0], n_head)]
    digits = np.zeros(grid.shape[1], dtype=bool)
    for start, end in spans:
        digits[start:end] = True
    figures = grid[:, digits].T - np.uint8(ord("0"))  # others than digits are above 9
    if (figures > 9).any() or not ((grid == grid[0]) | digits).all():
        return None
    numbers, rows = np.empty((len(texts), len(spans))), iter(figures)
    for number, (start, end) in zip(numbers.T, spans, strict=True):
        number[:] = next(rows)
        for _ in range(start + 1, end):
            number *= 10
            number += next(rows)
    return numbers


def _head(family: Family) -> str:
    """Return the beginning of each text; separate, because the digits in it are not entries."""
    return '{"family":' + json.dumps(family.name)


def _tail(family: Family, gene: str) -> str:
    """Return the rest of a text with ``gene`` in place of each gene."""
    parts = [f',"resolution":{gene}']
    for kind, entries in _entries(family).items():
        if kind != "resolution":
            texts = [gene if entry is None else str(entry) for entry in entries]
            parts.append(f',"{kind}":[{",".join(texts)}]')
    return "".join(parts) + "}"


def _entries(family: Family) -> dict[str, list[int | None]]:
    """Return the numbers of a text in order: None for a gene, or the number of a fixed depth."""
    entries: dict[str, list[int | None]] = {
        kind: [None] * len(family.columns(kind)) for kind in ("resolution", *_KINDS)
    }
    entries["depth"] = [None if len(c) > 1 else c[0] for c in family.depth_choices]
    return {kind: numbers for kind, numbers in entries.items() if numbers}


@functools.lru_cache(maxsize=16)
def shown_texts(table: Family | ChoiceTable) -> ShownTexts:
    """Return the texts of a family or table, whose templates are made once for all batches."""
    return ShownTexts(table)


class ShownTexts:
    """Texts of subnets for people who read lists of trials: `Subnet.text` of each.

    Args:
        table: The family or table of the subnets.
    """

    def __init__(self, table: Family | ChoiceTable) -> None:
        self._table = table
        self._templates: dict[tuple[int, ...], str] = {}  # by depths; MobileNetV3 has 243

    def __call__(self, subnets: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the text of each of `subnet_dicts`."""
        if isinstance(self._table, ChoiceTable):
            return [values_text(subnet["values"]) for subnet in subnets]
        return [self._template(subnet).format_map(subnet) for subnet in subnets]

    def _template(self, subnet: Mapping[str, Any]) -> str:
        depth = tuple(subnet["depth"])
        found = self._templates.get(depth)
        if found is None:
            assert isinstance(self._table, Family)
            widths = subnet.get("width", ())
            found = text_template(
                self._table, depth, has_kernels="kernel" in subnet, n_widths=len(widths)
            )
            self._templates[depth] = found
        return found


Decoded = tuple[Matrix, NDArray[np.bool_]]
_ERRORS = (InvalidSubnetError, KeyError, TypeError, ValueError, OverflowError)


def decode_texts(space: SearchSpace, texts: Sequence[str]) -> Decoded:
    """Rows of subnets from their JSON, and which texts are of subnets of the space."""

    def convert(part: Sequence[str]) -> Matrix:
        try:
            return space.check(rows_of_texts(space.table, part))
        except ValueError:  # written by another program, such as with different spacing in the JSON
            return space.check(subnet_rows(space.table, [json.loads(text) for text in part]))

    return _decode(space, texts, convert)


def _decode_dicts(space: SearchSpace, subnets: Sequence[Mapping[str, Any]]) -> Decoded:
    """Rows of subnets from what `Subnet.to_dict` returns, and which are of the space."""
    return _decode(space, subnets, lambda part: space.check(subnet_rows(space.table, part)))


def decode_params(space: SearchSpace, params: Sequence[Mapping[str, Any]]) -> Decoded:
    """Rows of subnets from trials' parameters, and which have all those of the space."""
    return _decode(space, params, space.from_params)


def decode_trials(space: SearchSpace, trials: Sequence[FrozenTrial]) -> Decoded:
    """Rows of subnets of Optuna's trials, and which are of the space."""
    ours = np.array(["subnet" in trial.user_attrs for trial in trials], dtype=bool)
    subnets = [t.user_attrs["subnet"] for t in trials if "subnet" in t.user_attrs]
    params = [_known_params(space, t) for t in trials if "subnet" not in t.user_attrs]
    matrix = np.zeros((len(trials), len(space.genes)), dtype=np.int16)
    good = np.zeros(len(trials), dtype=bool)
    matrix[ours], good[ours] = _decode_dicts(space, subnets)
    matrix[~ours], good[~ours] = decode_params(space, params)
    return matrix, good


def _known_params(space: SearchSpace, trial: FrozenTrial) -> Mapping[str, Any]:
    """Return the parameters of a trial; before it has all of them, the fixed ones or its claim."""
    known = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    claim = trial.system_attrs.get(CLAIM, ())
    if trial.state.is_finished() or len(claim) != len(space.genes):
        return known
    return {**space.to_params(np.array([claim], dtype=np.int16))[0], **known}


def _decode(space: SearchSpace, items: Items, convert: Callable[[Items], Matrix]) -> Decoded:
    """Convert all that can be converted.

    The rest is not of the space, for example because it was restricted later.
    """
    nothing = np.zeros((1, len(space.genes)), dtype=np.int16)
    parts = in_parts(convert, items, _ERRORS)
    rows = [nothing if isinstance(part, Exception) else part for _, part in parts]
    good = np.array([not isinstance(part, Exception) for _, part in parts], dtype=bool)
    return np.concatenate([nothing[:0], *rows]), np.repeat(good, [n for n, _ in parts])
