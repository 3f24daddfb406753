"""The check of arguments: what each kind of hint accepts, and what a message says."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray
from typing_extensions import TypeAliasType

import optuna_ofa
from optuna_ofa import Subnet
from optuna_ofa._arguments import (
    Count,
    OutputFile,
    OutputFolder,
    Positive,
    PositiveFloat,
    Seed,
    Share,
    Text,
    check_fields,
    checked,
)
from optuna_ofa._hints import rule_of
from optuna_ofa._rules import Rule
from optuna_ofa.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from fractions import Fraction


def _accepts(hint: Any, value: Any) -> bool:
    return rule_of(hint).failure("x", value) is None


RIGHT = {
    "int": (int, [0, -1, np.int64(3), 10**30]),
    "float": (float, [0, 1.5, np.float32(2), np.int16(1)]),
    "bool": (bool, [True, np.True_]),
    "str": (str, ["", "a"]),
    "path": (Path, ["a", Path("a")]),
    "literal": (Literal["a", "b"], ["a"]),
    "optional": (int | None, [None, 1]),
    "sequence": (Sequence[int], [[1], (1, 2), range(3), np.array([1, 2]), []]),
    "iterable": (Iterable[int], [[1], {1}, {1: 2}, np.array([1])]),
    "tuple": (tuple[str, str], [("a", "b"), ["a", "b"]]),
    "mapping": (Mapping[str, float], [{}, {"a": 1}]),
    "function": (Callable[[int], int], [len, lambda x: x]),
    "whole array": (NDArray[np.int16], [np.zeros((2, 3), int), np.zeros(0, np.uint8)]),
    "array": (NDArray[np.float64], [np.zeros(2), np.zeros(2, int)]),
    "array-like": (ArrayLike, [[1, 2], np.zeros((2, 2)), 3.0]),
    "count": (Count, [0, 5]),
    "share": (Share, [0, 0.99]),
    "text": (Text, ["a"]),
    "seed": (Seed, [0, 2**64 - 1]),
}
WRONG = {
    "int": (int, [True, 1.0, "1", math.nan, None, np.array(1.5), torch.tensor(1)]),
    "float": (float, [True, math.nan, math.inf, "1", None, 1j, 10**400, torch.tensor(1.0)]),
    "bool": (bool, [0, 1, "True", None]),
    "str": (str, [b"a", 1, None, Path("a")]),
    "path": (Path, [1, b"a", None]),
    "literal": (Literal["a", "b"], ["c", "", None, ["a"], np.array(["a", "b"])]),
    "optional": (int | None, ["", 1.5]),
    "sequence": (Sequence[int], ["12", {1}, {1: 2}, [1.5], [True], 5, np.array(1), [None]]),
    "iterable": (Iterable[int], ["12", [1, "a"], 5, np.array([1.5]), torch.zeros(2)]),
    "anything iterable": (Iterable[Any], ["12", 5, np.array(1), torch.tensor(1), list]),
    "tuple": (tuple[str, str], [("a",), ("a", 1), "ab", {"a": 1, "b": 2}]),
    "mapping": (Mapping[str, float], [[("a", 1)], {1: 1.0}, {"a": "1"}, {"a": math.nan}]),
    "function": (Callable[[int], int], [5, "len", None]),
    "whole array": (NDArray[np.int16], [np.zeros(2), [[1]], np.zeros(2, bool), torch.zeros(2)]),
    "array": (NDArray[np.float64], [[1.0], np.array(["a"]), np.array([None])]),
    "array-like": (ArrayLike, [["a"], None, [[1], [1, 2]], [True], object()]),
    "count": (Count, [-1, 2**31, 1.0]),
    "positive": (Positive, [0, -1, True]),
    "positive float": (PositiveFloat, [0, -1.0, math.nan]),
    "share": (Share, [1, -0.1]),
    "text": (Text, ["", 1]),
    "seed": (Seed, [-1, 2**64, "7", 0.5]),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_a_hint_accepts_values_of_its_kind(kind: str) -> None:
    hint, values = RIGHT[kind]
    assert [v for v in values if not _accepts(hint, v)] == []


@pytest.mark.parametrize("kind", WRONG)
def test_a_hint_refuses_all_others(kind: str) -> None:
    hint, values = WRONG[kind]
    assert [v for v in values if _accepts(hint, v)] == []


@checked
def _draw(
    n: Positive,
    *,
    names: Sequence[str] = (),
    bounds: Mapping[str, float] | None = None,
    subnet: Subnet | None = None,
    part: Fraction | None = None,
    steps: Iterable[int] = (),
    progress: bool | None = None,
) -> Any:
    return list(steps)


MESSAGES = {
    "number": ({"n": 0}, "`n` must be a whole number of at least 1, but got 0."),
    "bool": ({"n": True}, "`n` must be a whole number of at least 1, but got True."),
    "element": ({"n": 1, "names": ["a", 2]}, r"`names\[1\]` must be a string, but got 2."),
    "item": (
        {"n": 1, "bounds": {"latency_ms": "20"}},
        r"`bounds\['latency_ms'\]` must be a finite number, but got '20'.",
    ),
    "key": ({"n": 1, "bounds": {1: 2.0}}, "`bounds` must be a mapping with each key a string, but"),
    "union": ({"n": 1, "progress": 1}, "`progress` must be True or False or None, but got 1."),
    "array": (
        {"n": np.zeros((2, 3))},
        r"`n` must be a whole number of at least 1, but got ndarray of shape \(2, 3\).",
    ),
    "long": ({"n": "a" * 500}, r"but got 'aaaa.*\.\.\.\.$"),
    "class": ({"n": 1, "subnet": "a"}, "`subnet` must be a Subnet or None, but got 'a'."),
    "not imported": ({"n": 1, "part": 0.5}, "`part` must be a Fraction or None, but got 0.5."),
    "iterator": ({"n": 1, "steps": iter(["a"])}, r"`steps\[0\]` must be a whole number, but"),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_a_message_names_the_argument_the_rule_and_the_value(case: str) -> None:
    arguments, message = MESSAGES[case]
    with pytest.raises(InvalidArgumentError, match=message):
        _draw(**arguments)


def test_an_instance_of_a_class_that_is_imported_for_type_checkers_alone_is_accepted() -> None:
    from fractions import Fraction

    _draw(1, part=Fraction(1, 2))


def test_the_elements_of_an_iterator_are_checked_and_kept() -> None:
    assert _draw(1, steps=iter([1, 2])) == [1, 2]


@pytest.mark.parametrize("call", [lambda: _draw(), lambda: _draw(1, other=2), lambda: _draw(1, 2)])
def test_missing_and_unknown_arguments_are_type_errors(call: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match=r"_draw\(\)"):
        call()


def test_a_default_is_taken_to_be_right() -> None:
    @checked
    def function(n: Positive = 0) -> int:
        return n

    assert function() == function(0) == 0


def test_a_front_point_where_a_subnet_is_meant_is_told() -> None:
    point = optuna_ofa.fronts.FrontPoint(
        optuna_ofa.SearchSpace("ofa_mbv3_w1.0").smallest(), {}, {}, "predicted", 0
    )
    with pytest.raises(InvalidArgumentError, match="its `subnet` may be meant"):
        _draw(1, subnet=point)


@dataclass(frozen=True)
class _Base:
    n: int = 1


@dataclass(frozen=True)
class _Settings(_Base):
    n: Positive = 1
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)


def test_fields_are_checked_by_the_annotation_of_the_class_itself() -> None:
    assert _Settings(n=2, names=("a",)).n == 2
    with pytest.raises(InvalidArgumentError, match="`n` must be a whole number of at least 1"):
        _Settings(n=0)
    with pytest.raises(InvalidArgumentError, match=r"`names\[0\]` must be a string, but got 1"):
        _Settings(names=(1,))  # type: ignore[arg-type]


def test_paths(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.touch()
    assert _accepts(OutputFile, tmp_path / "b")
    assert not _accepts(OutputFile, tmp_path)
    assert not _accepts(OutputFile, "")
    assert not _accepts(OutputFile, tmp_path / "b" / "c")
    assert _accepts(OutputFolder, tmp_path)
    assert _accepts(OutputFolder, tmp_path / "b")
    assert not _accepts(OutputFolder, file)
    assert not _accepts(OutputFolder, tmp_path / "b" / "c")


def test_a_value_whose_repr_fails_is_still_told() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(InvalidArgumentError, match="but got a Odd"):
        _draw(Odd())  # type: ignore[arg-type]


# ---------------------------------------------------------------------- the package


def _checked_functions() -> Iterator[Any]:
    for module in pkgutil.walk_packages(optuna_ofa.__path__, "optuna_ofa."):
        if module.name.endswith("__main__"):
            continue
        for item in vars(importlib.import_module(module.name)).values():
            if getattr(item, "__module__", None) != module.name:
                continue
            members = vars(item).values() if inspect.isclass(item) else [item]
            for member in members:
                function = getattr(member, "__func__", member)
                code = getattr(function, "__code__", None)
                if code is not None and code.co_filename.endswith("_arguments.py"):
                    yield inspect.unwrap(function)


def test_every_annotation_is_a_rule() -> None:
    from optuna_ofa._arguments import _rules

    functions = list(_checked_functions())
    assert len(functions) > 100
    for function in functions:
        parameters = inspect.signature(function).parameters
        rules = _rules(parameters, vars(sys.modules[function.__module__]))
        assert all(isinstance(rule, Rule) for rule in rules.values()), function
        annotated = {n for n, p in parameters.items() if p.annotation is not p.empty}
        variadic = {n for n, p in parameters.items() if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        assert set(rules) == annotated - variadic


def test_an_alias_of_the_statement_type_is_what_it_stands_for() -> None:
    """With NumPy 2.5, which needs Python 3.12, `NDArray` and `ArrayLike` are such aliases."""
    kind = TypeVar("kind", bound=np.generic)
    row: Any = TypeAliasType("row", np.ndarray[Any, np.dtype[kind]], type_params=(kind,))
    for hint, good, bad in [
        (row[np.int64], np.array([1]), np.array([0.5])),
        (row[np.int64] | None, None, [1]),
        (Sequence[row[np.int64]], [np.array([1])], np.array([1])),
        (TypeAliasType("count", int), 1, 0.5),
    ]:
        assert _accepts(hint, good)
        assert not _accepts(hint, bad)


def test_annotated_rules_need_not_be_ours() -> None:
    assert _accepts(Annotated[int, "a comment"], 1)
