"""Subnets as other programs write them: ``ks``, ``e``, ``d``, ``w`` and a resolution.

- ``ofa_tutorial``: ``wid`` (None or 0), ``ks``, ``e``, ``d``, ``r`` (a list of one); also DyNAS-T.
- ``ofa``: ``ks``, ``e``, ``d``, ``image_size``; ResNet50D has ``w`` and no ``ks``.
- ``nsganetv2``: ``ks``, ``e``, ``d``, ``r`` (a number), and only the active blocks are listed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from optuna_ofa._arguments import AnyPath, checked
from optuna_ofa._parsing import parse_json
from optuna_ofa.exceptions import FormatError, InvalidArgumentError
from optuna_ofa.space._family import Family
from optuna_ofa.space._find_family import find_family
from optuna_ofa.space._subnet import Subnet, checked_entries

Dialect = Literal["ofa_tutorial", "ofa", "nsganetv2"]
# how Python writes what JSON writes otherwise; the other match is a comma before a bracket
_PYTHON = re.compile(r"""['()]|\b(?:None|True|False)\b|,(?=\s*[]})])""")
_JSON = {"'": '"', "(": "[", ")": "]", "None": "null", "True": "true", "False": "false"}


@checked
def subnet_from_dialect(spec: Mapping[Any, Any] | str, family: Family | AnyPath) -> Subnet:
    """Read a subnet in any of the dialects, which are recognised by their keys and lengths.

    Args:
        spec: The description, or its text: JSON, as in the files of ``AccuracyDataset``, or a
            Python dict, as in the CSV files of DyNAS-T.
        family: Its family, which is not part of the description.

    Raises:
        FormatError: If ``spec`` is not in any of the dialects.
        InvalidSubnetError: If an entry is not a choice of the family.
    """
    family = find_family(family, "family")
    spec = _mapping(spec)
    has_kernel, has_width = family.block == "mbconv", len(family.width_mults) > 1
    lists = ["ks"] * has_kernel + ["e", "d"] + ["w"] * has_width
    _check_keys(spec, lists, family)
    depth = _depth(spec, family)
    extra = depth[len(depth) - len(family.stages) :]
    active = [p < family.stages[s].base_depth + extra[s] for s, p in family.block_positions]
    return Subnet(
        family,
        _resolution(spec),
        depth,
        _every_block(spec, "ks", active) if has_kernel else (),
        _every_block(spec, "e", active),
        tuple(spec["w"]) if has_width else (),
    )


@checked
def subnet_to_dialect(subnet: Subnet, dialect: Dialect) -> dict[str, Any]:
    """Write a subnet for another program; the result is JSON-ready.

    If the dialect lists every block, absent ones get the family's smallest choice, because the
    ``ofa`` package accepts nothing else.

    Raises:
        InvalidArgumentError: If ``dialect`` is unknown.
    """
    if dialect not in ("ofa_tutorial", "ofa", "nsganetv2"):
        raise InvalidArgumentError(
            f"`dialect` must be 'ofa_tutorial', 'ofa' or 'nsganetv2', but got {dialect!r}."
        )
    spec: dict[str, Any] = {"wid": None} if dialect == "ofa_tutorial" else {}
    blocks = {
        "ks": (subnet.kernel, subnet.family.kernels),
        "e": (subnet.expand, subnet.family.expands),
    }
    for key, (entries, choices) in blocks.items():
        if entries and dialect == "nsganetv2":
            spec[key] = [v for v, active in zip(entries, subnet.active, strict=True) if active]
        elif entries:
            spec[key] = [v or choices[0] for v in entries]
    spec["d"] = list(subnet.depth)
    if subnet.width:
        spec["w"] = list(subnet.width)
    spec["image_size" if dialect == "ofa" else "r"] = (
        [subnet.resolution] if dialect == "ofa_tutorial" else subnet.resolution
    )
    return spec


def _mapping(spec: Mapping[str, Any] | str) -> Mapping[str, Any]:
    value: Any = json_or_literal(spec) if isinstance(spec, str) else spec
    if not isinstance(value, Mapping):
        raise FormatError(
            f"`spec` must be a dict such as {{'d': ..., 'r': ...}}, or its text in JSON or Python, "
            f"but got {spec!r:.200}."
        )
    return value


def json_or_literal(text: str) -> Any:
    """Return the value of a text in JSON or, without apostrophes in its texts, Python; or None."""
    with contextlib.suppress(FormatError):
        return parse_json(_PYTHON.sub(lambda found: _JSON.get(found[0], ""), text), "the text")
    return None


def _check_keys(spec: Mapping[str, Any], lists: list[str], family: Family) -> None:
    unknown = set(spec) - {*lists, "wid", "r", "image_size"}
    missing = [key for key in lists if key not in spec]
    if unknown or missing or ("r" in spec) == ("image_size" in spec):
        raise FormatError(
            f"`spec` must have {', '.join(lists)} and one of r and image_size for "
            f"{family.name}, but got {', '.join(map(str, spec))}."
        )
    for key in lists:
        if not isinstance(spec[key], Sequence) or isinstance(spec[key], str):
            raise FormatError(f"`spec[{key!r}]` must be a list, but got {spec[key]!r}.")
    if spec.get("wid") not in (None, 0):  # the index of a width; released supernets have one
        raise FormatError(f"`spec['wid']` must be None or 0, but got {spec['wid']!r}.")


def _resolution(spec: Mapping[str, Any]) -> Any:
    value = spec["r"] if "r" in spec else spec["image_size"]
    if not isinstance(value, Sequence):
        return value
    if len(value) != 1:
        raise FormatError(f"`spec['r']` must have one resolution, but got {value!r}.")
    return value[0]


def _depth(spec: Mapping[str, Any], family: Family) -> tuple[int, ...]:
    """Return the depths, with those that cannot vary taken from the family.

    ``ofa`` also draws a depth for the last stage of ProxylessNAS and then ignores it; other
    programs leave it out.
    """
    depth, choices = list(spec["d"]), family.depth_choices
    elastic = [i for i, c in enumerate(choices) if len(c) > 1]
    if len(depth) == len(choices):
        depth = [depth[i] for i in elastic]
    if len(depth) != len(elastic):
        raise FormatError(
            f"`spec['d']` must have {len(choices)} entries for {family.name}, but got {depth}."
        )
    given = iter(depth)
    depth = [next(given) if len(c) > 1 else c[0] for c in choices]
    return checked_entries("depth", depth, choices)


def _every_block(spec: Mapping[str, Any], key: str, active: list[bool]) -> tuple[Any, ...]:
    entries = spec[key]
    if len(entries) == len(active):
        return tuple(entries)
    if len(entries) != sum(active):
        raise FormatError(
            f"`spec[{key!r}]` must have {len(active)} entries, or {sum(active)} for the active "
            f"blocks only, but got {len(entries)}: {entries!r}."
        )
    given = iter(entries)
    return tuple(next(given) if is_active else 0 for is_active in active)
