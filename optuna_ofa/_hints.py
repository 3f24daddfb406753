"""The rules that type hints imply."""

from __future__ import annotations

import inspect
import math
import os
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
from numpy.typing import ArrayLike

from optuna_ofa._rules import All, Either, Elements, Instead, Items, Rule


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_numeric(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind in "iuf"


_TYPES: dict[Any, Rule] = {
    Any: Rule("anything", lambda _: True),
    object: Rule("anything", lambda _: True),
    None: Rule("None", lambda value: value is None),
    type(None): Rule("None", lambda value: value is None),
    bool: Rule("True or False", lambda value: isinstance(value, bool | np.bool_)),
    int: Rule("a whole number", _is_whole),
    float: Rule("a finite number", _is_number),
    str: Rule("a string", lambda value: isinstance(value, str)),
    Path: Rule("a path", lambda value: isinstance(value, str | os.PathLike)),
}

# Names of classes in messages.
_NAMES = {"BaseStorage": "Optuna storage", "Study": "Optuna study", "Generator": "numpy Generator"}


def rule_of(hint: Any) -> Rule:
    """Return the rule of a type hint.

    Numbers may be numpy scalars; True is not a number, and a string is not a sequence. A protocol
    must be `typing.runtime_checkable`.
    """
    if hint == ArrayLike:
        return Rule("numbers, as an array or nested sequences", _is_numeric)
    if isinstance(hint, Hashable) and hint in _TYPES:
        return _TYPES[hint]
    if isinstance(hint, typing.TypeVar):
        return rule_of(hint.__bound__ or Any)
    origin, args = get_origin(hint), get_args(hint)
    if hasattr(alias := origin or hint, "__value__"):  # of the statement `type`, as NumPy 2.5's
        return rule_of(alias.__value__[args] if args else alias.__value__)
    if origin is Annotated:
        instead = [a for a in args[1:] if isinstance(a, Instead)]
        if instead:
            return instead[0]
        return All([rule_of(args[0]), *(a for a in args[1:] if isinstance(a, Rule))])
    if origin is Literal:
        return Rule(
            f"one of {', '.join(map(repr, args))}",
            lambda value: any(type(value) is type(a) and value == a for a in args),
        )
    if origin in (typing.Union, types.UnionType):
        return Either(_distinct([rule_of(a) for a in args]))
    if origin is None:
        return _class_rule(hint)
    return _generic_rule(origin, args)


def _distinct(rules: list[Rule]) -> list[Rule]:
    """Return the rules without duplicate texts, None last."""
    by_text = {rule.text: rule for rule in rules}
    none = by_text.pop("None", None)
    return [*by_text.values(), *([none] if none else [])]


def _class_rule(cls: Any) -> Rule:
    name = _NAMES.get(cls.__name__, cls.__name__)
    if cls is os.PathLike:
        return _TYPES[Path]
    if cls is typing.Callable or cls is Callable:
        return Rule("a function", callable)
    return Rule(f"{_article(name)} {name}", lambda value: isinstance(value, cls))


def _generic_rule(origin: Any, args: tuple[Any, ...]) -> Rule:
    if origin is os.PathLike:
        return _TYPES[Path]
    if origin is Callable:
        return _function_rule(args[0])
    if origin is np.ndarray:
        return _array_rule(args)
    if origin is tuple and args[-1] is not Ellipsis:
        return _tuple_rule([rule_of(a) for a in args])
    if issubclass(origin, Mapping):
        return Items(rule_of(args[0]), rule_of(args[1]))
    if issubclass(origin, Iterable):
        return _container_rule(origin, rule_of(args[0]))
    return _class_rule(origin)


def _function_rule(parameters: Any) -> Rule:
    """Return the rule of functions that take the given number of arguments."""
    if not isinstance(parameters, list):
        return Rule("a function", callable)
    n = len(parameters)

    def accepts(value: Any) -> bool:
        if isinstance(value, type):
            return False
        try:
            signature = inspect.signature(value)
        except ValueError:  # a builtin without a signature
            return callable(value)
        signature.bind(*parameters)
        return True

    return Rule(f"a function of {n} argument{'s' * (n != 1)}", accepts)


def _array_rule(args: tuple[Any, ...]) -> Rule:
    """Return the rule of arrays of any shape with numbers of a kind."""
    kind = np.dtype(get_args(args[1])[0]).kind
    kinds, of = {"i": ("iu", " of whole numbers"), "f": ("iuf", " of numbers")}.get(
        kind, (kind, "")
    )
    return Rule(
        f"an array{of}", lambda value: isinstance(value, np.ndarray) and value.dtype.kind in kinds
    )


def _tuple_rule(rules: list[Rule]) -> Rule:
    def accepts(value: Any) -> bool:
        if not isinstance(value, tuple | list) or len(value) != len(rules):
            return False
        return all(r.failure("", v) is None for r, v in zip(rules, value, strict=True))

    return Rule(f"a tuple of {' and '.join(rule.text for rule in rules)}", accepts)


def _container_rule(origin: Any, element: Rule) -> Rule:
    """Return the rule of a sequence or other iterable; arrays are accepted, strings are not."""
    name = "an iterable" if origin is Iterable else "a sequence"

    def accepts(value: Any) -> bool:
        if isinstance(value, str | bytes):
            return False
        if isinstance(value, np.ndarray):
            return value.ndim > 0 and element.failure("", 1) is None
        if origin is Iterable:
            # not `iter(value)`: a DataLoader would draw a random number and start its workers
            iterable = isinstance(value, Iterable) or hasattr(type(value), "__getitem__")
            return iterable and getattr(value, "ndim", 1) > 0
        return isinstance(value, Sequence)

    return Rule(name, accepts) if element is _TYPES[Any] else Elements(name, accepts, element)


def _article(name: str) -> str:
    return "an" if name[0] in "AEIOU" else "a"
