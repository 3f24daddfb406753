"""Parsing YAML that others wrote: plain values only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from optuna_ofa import _yaml
from optuna_ofa._yaml import parse_yaml
from optuna_ofa.exceptions import FormatError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing", None),
        ("--- a\n...\n", "a"),
        (
            "a: 1\nb: {c: [1.5, -2e-05, +3, .5, 4.], d: ''}",
            {"a": 1, "b": {"c": [1.5, -2e-05, 3, 0.5, 4.0], "d": ""}},
        ),
        (
            "- \n- ~\n- Null\n- true\n- FALSE\n- 'true'\n- \"1\"",
            [None, None, None, True, False, "true", "1"],
        ),
        ("a b: |\n  x\n  y\nc: >-\n  x\n  y\n? d\n: e", {"a b": "x\ny\n", "c": "x y", "d": "e"}),
        ("1: 2", {"1": 2}),
        (
            "[1e-3, 010, 0x10, 1_000, 1:30, inf, 2001-12-14, yes, =, <<]",
            [0.001, "010", "0x10", "1_000", "1:30", "inf", "2001-12-14", "yes", "=", "<<"],
        ),
        ("a" * 200_000, "a" * 200_000),
        ("a: " + "1:" * 1_500_000 + "1", {"a": "1:" * 1_500_000 + "1"}),  # not in base 60
        ('😀: "\\u00e4"', {"😀": "ä"}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_plain_values_are_read(text: str, value: Any) -> None:
    assert parse_yaml(text, "file") == value


def test_published_tables_are_as_pyyaml_reads_them(shared_data: Path) -> None:
    paths = sorted(shared_data.rglob("*.yaml"))[:4]
    if not paths:
        pytest.skip(f"no table is in {shared_data}")
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert parse_yaml(text, path) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("- " * 200_000, "nested more than 100 deep"),
        ("[" * 100_000, "nested more than 100 deep"),
        ("{a: " * 100_000, "nested more than 100 deep"),
        ("{" * 100_000, "a key is a list or a mapping"),
        ("? " * 1_000_000, "a key is a list or a mapping"),
        ("[a]: 1", "a key is a list or a mapping"),
        ("a: &a [1]\nb: *a", "an anchor or an alias"),
        ("*a", "an anchor or an alias"),
        ("a: !!python/object/apply:os.system [ls]", "the tag 'tag:yaml.org,2002:python/object"),
        ("!!str a", "the tag 'tag:yaml.org,2002:str'"),
        ("! a", "the tag '!'"),
        ("a: {<<: {b: 1}}", "a merge key"),
        ("a: 1\nb: 2\na: 3", "the key 'a' twice"),
        ("a: {1: 2, '1': 2}", "the key '1' twice"),
        ("a\n---\nb", "several documents"),
        ("%TAG !e! tag:a,2000:\n--- a", "a directive"),
        ("a: 1e999999", "a number that is too large or too long"),
        ("a: " + "9" * 5000, "a number beyond 64 bits"),
        ("a: [.NaN]", "it has .NaN, which is not finite"),
        ("a: -.inf", "it has -.inf, which is not finite"),
        ('a: "\\ud800"', "invalid Unicode character"),
        ("a: \x01", "control characters are not allowed"),
        ("a: 1\n b: 2", "mapping values are not allowed"),
        ("a: [1", "did not find expected"),
        ("a: 'b", "unexpected end"),
    ],
    ids=lambda text: text[:20],
)
def test_other_yaml_is_refused(text: str, match: str) -> None:
    with pytest.raises(FormatError, match=f"`data` must be YAML, but a.yaml is not: .*{match}"):
        parse_yaml(text, "a.yaml", "data")


def test_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_yaml, "MAX_EVENTS", 1000)
    assert parse_yaml("- 1\n" * 990, "file") == [1] * 990
    with pytest.raises(FormatError, match=r"more than 1,000 values; JSON may have more"):
        parse_yaml("- 1\n" * 1000, "file")
