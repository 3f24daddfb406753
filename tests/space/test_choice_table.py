"""Spaces of plain tables of choices: conditions, rows, values, and what is refused."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pytest

from optuna_ofa import SearchSpace, Subnet
from optuna_ofa.exceptions import (
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
    InvalidSubnetError,
)
from optuna_ofa.space import ChoiceTable, Configuration

# a chain of three, declared with the child first, and a parameter of one value
CHOICES: dict[str, list[Any]] = {
    "grandchild": ["x", "y", "z"],
    "op": ["conv", "pool", "skip"],
    "kernel": [3, 5, 7],
    "scale": [0.5, 1.0],
    "se": [False, True],
    "one": [1],
}
ACTIVE = {"kernel": ("op", ["conv", "pool"]), "grandchild": ("kernel", [5, 7])}
SPACE = SearchSpace.of_choices(CHOICES, name="toy", active=ACTIVE)


def _by_hand() -> set[tuple[tuple[str, Any], ...]]:
    """All different configurations, without the space."""
    found = set()
    for row in itertools.product(*CHOICES.values()):
        one = dict(zip(CHOICES, row, strict=True))
        if one["op"] == "skip":
            del one["kernel"]
        if one.get("kernel") not in (5, 7):
            del one["grandchild"]
        found.add(tuple(one.items()))
    return found


def test_all_configurations_are_listed_once() -> None:
    rows = SPACE.enumerate()
    assert len(rows) == SPACE.n_subnets == len(_by_hand()) == 60
    assert {tuple(one.items()) for one in SPACE.from_matrix(rows)} == _by_hand()


def test_rows_configurations_and_parameters_are_one_to_one() -> None:
    rows = SPACE.enumerate()
    configurations = SPACE.from_matrix(rows)
    params = SPACE.to_params(rows)
    for found in (
        SPACE.to_matrix(configurations),
        SPACE.from_params(params),
        SPACE.from_params(map(dict, configurations)),  # without those that are inactive
        SPACE.canonicalize(rows),
    ):
        np.testing.assert_array_equal(found, rows)
    for one, all_values in zip(configurations, params, strict=True):
        assert list(all_values) == list(CHOICES)
        assert {name: all_values[name] for name in one} == dict(one)
        assert [type(v) for v in one.values()] == [type(all_values[name]) for name in one]
        assert one in SPACE


def test_genes_that_have_no_effect_are_zero() -> None:
    rows = SPACE.sample(200, seed=0)
    noisy = np.where(SPACE.active_genes(rows), rows, 2).astype(np.int16)
    assert (noisy != rows).any()
    np.testing.assert_array_equal(SPACE.canonicalize(noisy), rows)
    np.testing.assert_array_equal(SPACE.check(noisy), noisy)  # any value is allowed there
    assert (rows[~SPACE.active_genes(rows)] == 0).all()


def test_genes_that_become_active_take_the_first_choice_down_the_chain() -> None:
    row = SPACE.from_params([{"op": "skip", "scale": 1.0, "se": False, "one": 1}])
    row[0, 1], row[0, 2] = 0, 2  # conv, kernel 5: the grandchild is new
    (one,) = SPACE.from_matrix(SPACE.canonicalize(row))
    assert one["grandchild"] == "x"


@pytest.mark.parametrize("uniform_over", ["choices", "subnets", "sizes"])
def test_samples_belong_to_the_space(uniform_over: Any) -> None:
    rows = SPACE.sample(2000, seed=1, uniform_over=uniform_over)
    assert {tuple(row) for row in rows.tolist()} <= {tuple(r) for r in SPACE.enumerate().tolist()}


def test_uniform_over_subnets_makes_all_equally_likely() -> None:
    rows = SPACE.sample(60_000, seed=0, uniform_over="subnets")
    counts = np.unique(rows, axis=0, return_counts=True)[1]
    assert len(counts) == 60
    assert 850 < counts.min() <= counts.max() < 1150


def test_ends_and_sizes() -> None:
    assert dict(SPACE.smallest()) == {
        "op": "conv",
        "kernel": 3,
        "scale": 0.5,
        "se": False,
        "one": 1,
    }
    assert dict(SPACE.largest()) == {"op": "skip", "scale": 1.0, "se": True, "one": 1}
    rows = SPACE.stratified(9, np.random.default_rng(0))
    assert SPACE.from_matrix(rows[:2]) == [SPACE.smallest(), SPACE.largest()]


def test_restriction_keeps_the_meaning_of_rows() -> None:
    some = SPACE.restrict(parameters={"op": "conv", "kernel": [5, 7], "se": True})
    assert some in SPACE
    assert SPACE not in some
    assert some.n_subnets == len(some.enumerate()) == 2 * 3 * 2
    np.testing.assert_array_equal(
        SPACE.to_matrix(some.from_matrix(some.enumerate())), some.enumerate()
    )
    with pytest.raises(InvalidArgumentError, match=r"`op` must be among \['conv'\], but got"):
        some.restrict(parameters={"op": ["pool"]})
    with pytest.raises(InvalidArgumentError, match="`depth` must be None"):
        SPACE.restrict(depth=2)


def test_optuna_holds_the_values_themselves() -> None:
    assert {n: list(d.choices) for n, d in SPACE.distributions.items()} == CHOICES
    trial = optuna.trial.FixedTrial(SPACE.to_params(SPACE.enumerate()[:1])[0])
    assert SPACE.suggest(trial) == SPACE.from_matrix(SPACE.enumerate()[:1])[0]


def test_equality_is_that_of_names_values_and_order() -> None:
    same = SearchSpace.of_choices(CHOICES, name="toy", active=ACTIVE)
    assert same == SPACE
    assert hash(same) == hash(SPACE)
    assert pickle.loads(pickle.dumps(SPACE)) == SPACE
    others = [
        SearchSpace.of_choices(CHOICES, name="other", active=ACTIVE),
        SearchSpace.of_choices(CHOICES, name="toy"),
        SearchSpace.of_choices({**CHOICES, "one": [1.0]}, name="toy", active=ACTIVE),
        SearchSpace.of_choices({**CHOICES, "se": [0, 1]}, name="toy", active=ACTIVE),
        SearchSpace.of_choices(dict(reversed(CHOICES.items())), name="toy", active=ACTIVE),
        SPACE.restrict(parameters={"op": "conv"}),
    ]
    assert all(other != SPACE for other in others)
    assert "toy" in repr(SPACE)


def test_a_table_survives_json() -> None:
    table = json.loads(json.dumps(SPACE.table.to_dict()))
    assert ChoiceTable.from_dict(table) == SPACE.table
    assert SPACE.table.fingerprint == ChoiceTable.from_dict({**table, "name": "x"}).fingerprint


def test_a_configuration_is_a_frozen_mapping() -> None:
    one = Configuration.of(
        SPACE.table,
        {"op": "pool", "kernel": 7, "grandchild": "z", "scale": 1, "se": True, "one": 1},
    )
    assert isinstance(one, Mapping)
    assert (one["op"], one["kernel"], one.get("missing")) == ("pool", 7, None)
    assert str(one) == "toy@grandchild=z, op=pool, kernel=7, scale=1.0, se=True, one=1"
    assert len({one, pickle.loads(pickle.dumps(one))}) == 1
    with pytest.raises(KeyError, match="kernel"):
        Configuration.of(SPACE.table, {**one, "op": "skip"})["kernel"]
    with pytest.raises(AttributeError, match="genotype"):
        one.genotype = ()


def test_a_configuration_survives_json() -> None:
    for one in SPACE.from_matrix(SPACE.enumerate()):
        assert Configuration.from_json(one.to_json()) == one
        assert Configuration.from_dict(one.to_dict(by_name=True), SPACE.table) == one
    other = SearchSpace.of_choices({"a": [1, 2]}, name="toy").smallest()
    with pytest.raises(FamilyMismatchError, match="of the choices 'toy' as they are"):
        Configuration.from_dict(other.to_dict(), SPACE.table)
    with pytest.raises(FormatError, match="`data` must have the table"):
        Configuration.from_dict(one.to_dict(by_name=True))


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"op": "conv"}, "`values` must have 'scale' among"),
        ({"operation": "conv"}, "`values` must have the names"),
        ({**dict(SPACE.smallest()), "op": ["conv"]}, "`values` must have 'op' among"),
        ({**dict(SPACE.smallest()), "kernel": 4}, "`values` must have 'kernel' among"),
    ],
    ids=["missing", "unknown name", "list", "unknown value"],
)
def test_a_configuration_refuses_other_values(values: Any, match: str) -> None:
    with pytest.raises(InvalidSubnetError, match=match):
        Configuration.of(SPACE.table, values)


def test_parameters_that_are_active_must_be_given() -> None:
    params = dict(SPACE.smallest())
    del params["kernel"]
    with pytest.raises(InvalidSubnetError, match=r"`params\[0\]` must have 'kernel' among"):
        SPACE.from_params([params])


@pytest.mark.parametrize(
    ("choices", "active", "match"),
    [
        ({}, {}, "`choices` must be a mapping"),
        ([("a", [1])], {}, "`choices` must be a mapping"),
        ({"a": []}, {}, r"`choices\['a'\]` must have 1 to 1,000 values"),
        ({"a": range(65_536)}, {}, r"`choices\['a'\]` must have 1 to 1,000 values"),
        ({"a": "xyz"}, {}, r"`choices\['a'\]` must be an iterable"),
        ({"a": {1, 2}}, {}, r"`choices\['a'\]` must be a sequence"),
        ({"a": 3}, {}, "`choices"),
        ({"a": [1, 1.0]}, {}, r"`choices\['a'\]` must hold different values, but got 1.0 twice"),
        ({"a": ["x", "x"]}, {}, "must hold different values"),
        (
            {"a": [1.0, float("nan")]},
            {},
            r"`choices\['a'\]\[1\]` must be True or False.* but got nan",
        ),
        ({"a": [1.0, float("inf")]}, {}, "a finite number or a string, but got inf"),
        ({"a": [2**63]}, {}, "must hold finite numbers"),
        ({"a": [None, 1]}, {}, "a finite number or a string, but got None"),
        ({"a": [(1, 2)]}, {}, "a finite number or a string, but got \\(1, 2\\)"),
        ({"a": ["x", "\0"]}, {}, "must hold finite numbers, printable strings"),
        ({"a": [1, "x"]}, {}, "must hold values of one kind, but got numbers and strings"),
        ({"a": [True, 0]}, {}, "must hold values of one kind, but got truth values and numbers"),
        ({"": [1]}, {}, "`choices` must have printable names"),
        ({" a": [1]}, {}, "`choices` must have printable names"),
        ({"a\n": [1]}, {}, "`choices` must have printable names"),
        ({3: [1]}, {}, "`choices"),
        (
            {"a": [1, 2]},
            {"b": ("a", [1])},
            "`active` must name parameters of `choices`, a, but got",
        ),
        ({"a": [1, 2], "b": [1]}, {"b": ("c", [1])}, r"`active\['b'\]` must name parameters"),
        ({"a": [1, 2], "b": [1]}, {"b": ("a", [3])}, r"`active\['b'\]` must have values of 'a'"),
        ({"a": [1, 2], "b": [1]}, {"b": ("a", [])}, r"`active\['b'\]` must have values of 'a'"),
        ({"a": [1, 2], "b": [1]}, {"b": "a"}, "`active"),
        ({"a": [1, 2]}, {"a": ("a", [1])}, "in a circle, but got 'a' on 'a'"),
        (
            {"a": [1, 2], "b": [1], "c": [1]},
            {"a": ("c", [1]), "b": ("a", [1]), "c": ("b", [1])},
            "in a circle, but got 'a' on 'c', 'c' on 'b', 'b' on 'a'",
        ),
    ],
)
def test_wrong_tables_are_refused(choices: Any, active: Any, match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        SearchSpace.of_choices(choices, active=active)


def test_names_and_values_may_have_any_printable_character() -> None:
    odd = {"a b.c/ü": ["<b>", '"', ""], "{x}%s": [0, -1]}
    space = SearchSpace.of_choices(odd, name="Größe & <i>")
    rows = space.enumerate()
    np.testing.assert_array_equal(space.from_params(space.to_params(rows)), rows)


def test_numbers_of_numpy_become_those_of_python() -> None:
    space = SearchSpace.of_choices({"a": np.arange(3), "b": np.array(["x", "y"])})
    assert [type(v) for v in space.largest().values()] == [int, str]
    assert space.from_params([{"a": np.int64(2), "b": np.str_("x")}]).tolist() == [[2, 0]]


def test_a_long_chain_is_counted_exactly() -> None:
    n = 500
    choices = {f"p{i}": [0, 1] for i in range(n)}
    active = {f"p{i}": (f"p{i - 1}", [1]) for i in range(1, n)}
    space = SearchSpace.of_choices(choices, active=active)
    assert space.n_subnets == n + 1
    assert len(set(map(len, space.from_matrix(space.sample(50, seed=0, uniform_over="sizes"))))) > 2


def test_what_needs_an_architecture_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="'toy' is a plain table of choices without"):
        SPACE.family  # noqa: B018
    with pytest.raises(InvalidArgumentError, match="must have an architecture"):
        SPACE.resolutions  # noqa: B018
    with pytest.raises(InvalidArgumentError, match="must have an architecture"):
        SPACE.subnet(depth=2)
    assert not isinstance(SPACE.smallest(), Subnet)
    other = SearchSpace("ofa_mbv3_w1.0")
    assert SPACE.smallest() not in other
    assert other.smallest() not in SPACE
    with pytest.raises(InvalidSubnetError, match=r"must be of ofa_mbv3_w1\.0, but got one of toy"):
        other.to_matrix([SPACE.smallest()])
