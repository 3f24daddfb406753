"""Checks of arguments: rules written in signatures, and the decorator that applies them.

A rule is a type, or ``Annotated[type, rule]`` where the type alone is too permissive::

    @checked
    def search(self, n_trials: Count, *, progress: bool | None = None) -> None: ...

`checked` reads the signature when the function is first called, and refuses a value that breaks a
rule before the function runs. It converts nothing, with one exception: an iterator, which can be
consumed only once, is passed to the function as a list.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import inspect
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from optuna_ofa._hints import rule_of
from optuna_ofa._rules import Rule
from optuna_ofa._urls import shown_storage
from optuna_ofa.exceptions import InvalidArgumentError, OptunaOFAError

F = TypeVar("F", bound=Callable[..., Any])

# ---------------------------------------------------------------------- numbers and strings

LARGEST = 2**31 - 1  # the largest count that C libraries accept


def whole(least: int) -> Rule:
    """Return the rule of whole numbers of at least ``least``."""
    return Rule(f"a whole number of at least {least}", lambda n: least <= n <= LARGEST)


def at_least(least: float) -> Rule:
    """Return the rule of numbers of at least ``least``."""
    return Rule(f"a number of at least {least}", lambda value: value >= least)


def between(least: float, most: float) -> Rule:
    """Return the rule of numbers from ``least`` to ``most``, both included."""
    return Rule(f"a number from {least} to {most}", lambda value: least <= value <= most)


def not_empty(text: str) -> Rule:
    """Return the rule of containers and strings that are not empty."""
    return Rule(text, lambda value: len(value) > 0)


Count = Annotated[int, whole(0)]
Positive = Annotated[int, whole(1)]
Seed = Annotated[int, Rule("a whole number from 0 to 2^64 - 1", lambda n: 0 <= n < 2**64)]
PositiveFloat = Annotated[float, Rule("a positive number", lambda value: value > 0)]
NonNegativeFloat = Annotated[float, at_least(0)]
Fraction = Annotated[float, between(0, 1)]
Share = Annotated[float, Rule("a number from 0 to less than 1", lambda value: 0 <= value < 1)]
Percent = Annotated[float, between(0, 100)]
StorageUrl = Annotated[
    str, Rule("a URL such as 'sqlite:///study.db'", lambda u: "://" in u, show=shown_storage)
]
Text = Annotated[str, not_empty("a non-empty string")]

# ---------------------------------------------------------------------- paths


LONGEST_NAME = 240  # bytes; file systems allow 255, and temporary files need longer names


def can_be_written(path: Path) -> bool:
    """Return whether a path ends in a valid file name."""
    name = os.fsencode(path.name)
    return 0 < len(name) <= LONGEST_NAME and name != b".." and b"\0" not in name


def _can_be_file(path: Any) -> bool:
    place = Path(path)
    return (
        can_be_written(place)
        and not place.is_dir()
        and place.parent.is_dir()
        and os.access(place.parent, os.W_OK)
    )


def _can_be_folder(path: Any) -> bool:
    place = Path(path)
    if not place.is_dir() and not can_be_written(place):
        return False
    where = place if place.exists() else place.parent
    return where.is_dir() and os.access(where, os.W_OK)


AnyPath = Annotated[str | os.PathLike[str], Rule("a path", lambda path: str(path) != "")]
OutputFile = Annotated[
    AnyPath, Rule("a file in a folder that exists and can be written to", _can_be_file)
]
OutputFolder = Annotated[
    AnyPath,
    Rule("a folder that exists or whose parent does, and that can be written to", _can_be_folder),
]

# ---------------------------------------------------------------------- the check


def checked(function: F) -> F:
    """Check the arguments of a function by the annotations of its parameters.

    Defaults are assumed to be valid. A missing or unknown keyword is a TypeError, as usual.

    Raises:
        InvalidArgumentError: When the function is called with a value that breaks a rule; names
            the argument, the rule and the value.
    """
    signature = inspect.signature(function)
    positional, least = _positional(signature.parameters)

    @functools.cache
    def rules() -> dict[str, Rule]:
        return _rules(signature.parameters, vars(sys.modules[function.__module__]))

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and least <= len(args) <= len(positional):  # `bind` takes microseconds
            return function(*checked_items(zip(positional, args, strict=False)).values())
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # raises the same error, with the name of the function
        bound.arguments.update(checked_items(bound.arguments.items()))
        return function(*bound.args, **bound.kwargs)

    def checked_items(arguments: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        known = rules()
        return {
            name: value
            if (rule := known.get(name)) is None or value is signature.parameters[name].default
            else _checked(name, rule, value)
            for name, value in arguments
        }

    return cast(F, wrapper)


def _positional(parameters: Mapping[str, inspect.Parameter]) -> tuple[list[str], float]:
    """Return the parameters that can be given in order, and the least number that must be."""
    plain = [p for p in parameters.values() if p.kind <= p.POSITIONAL_OR_KEYWORD]
    must = [p for p in parameters.values() if p.default is p.empty]
    if any(p.kind is p.KEYWORD_ONLY for p in must):
        return [], math.inf
    return [p.name for p in plain], sum(p in plain for p in must)


def check_fields(instance: Any) -> None:
    """Check the fields of a dataclass, frozen or not, at the start of its ``__post_init__``.

    Raises:
        InvalidArgumentError: With the field, its rule and the value.
    """
    cls: type = type(instance)
    rules = _field_rules(cls)
    for field in fields(instance):
        value = getattr(instance, field.name)
        if value is not field.default:
            object.__setattr__(instance, field.name, _checked(field.name, rules[field.name], value))


def check_argument(name: str, value: Any, hint: Any) -> None:
    """Check one value whose rule is known only when the function runs.

    Raises:
        InvalidArgumentError: With the argument, its rule and the value.
    """
    _checked(name, rule_of(hint), value)


@contextlib.contextmanager
def argument_called(outer: str, inner: str) -> Iterator[None]:
    """Make errors use the caller's name for the argument, which is the one the user knows.

    Args:
        outer: The caller's name of the argument.
        inner: Its name in the functions that are called.
    """
    try:
        yield
    except OptunaOFAError as error:
        text = str(error)
        if f"`{inner}`" not in text:
            raise
        raise type(error)(text.replace(f"`{inner}`", f"`{outer}`")) from error


def _checked(name: str, rule: Rule, value: Any) -> Any:
    """Return the value, an iterator as a list, if it follows the rule."""
    if rule.reads_elements and isinstance(value, Iterator):
        value = list(value)
    failure = rule.failure(name, value)
    if failure is not None:
        raise InvalidArgumentError(failure.message(rule.show))
    return value


@functools.cache
def _field_rules(cls: type) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for base in reversed(cls.__mro__):
        space = _Namespace(vars(sys.modules[base.__module__]))
        for name, hint in inspect.get_annotations(base).items():
            rules[name] = rule_of(space.evaluate(hint))
    return rules


def _rules(
    parameters: Mapping[str, inspect.Parameter], module: Mapping[str, Any]
) -> dict[str, Rule]:
    space = _Namespace(module)
    empty = inspect.Parameter.empty
    return {
        name: rule_of(space.evaluate(parameter.annotation))
        for name, parameter in parameters.items()
        if parameter.annotation is not empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


class _Namespace(dict[str, Any]):
    """Names of a module; one imported only for type checkers is a class of that name."""

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            return getattr(builtins, name)
        return _NotImported(name, (), {})

    def evaluate(self, hint: Any) -> Any:
        return eval(hint, {}, self) if isinstance(hint, str) else hint  # noqa: S307 - our source


class _NotImported(type):
    """A class known by name: importing its module only to check an argument would take seconds."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return any(base.__name__ == cls.__name__ for base in type(instance).__mro__)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _NotImported(name, (), {})
