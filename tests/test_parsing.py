"""Parsing JSON and CSV that others wrote: what is refused, and what is not."""

from __future__ import annotations

import json

import pytest

from optuna_ofa import _parsing
from optuna_ofa._parsing import parse_csv, parse_json
from optuna_ofa.exceptions import FormatError


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        "",
        {"": [[], {}, "", None, True, -0.0, 1e-300, 2**63 - 1, -(2**63)]},
        {'"[{\\"': "\\\\", "\\": '"[', "a": ['"', "]}"] * 9},
        "😀\u2028\ud7ff\uffff",
        {str(i): i / 7 for i in range(999)},
        [0.1] * 20_000,
    ],
)
@pytest.mark.parametrize("as_ascii", [True, False], ids=["escaped", "not"])
def test_what_json_writes_is_read(value: object, as_ascii: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=as_ascii), "file") == value


def test_lists_and_objects_may_be_nested_100_deep() -> None:
    assert json.dumps(parse_json("[" * 100 + "]" * 100, "file")) == "[" * 100 + "]" * 100
    for text in ("[" * 101 + "]" * 101, '{"a":' * 101 + "1" + "}" * 101, '["a[",{"[":' * 51):
        with pytest.raises(FormatError, match="it is nested more than 100 deep"):
            parse_json(text, "file")


def test_brackets_in_texts_are_not_counted() -> None:
    value = {'[{"' * 200: '\\"[' * 200, "\\": "[" * 200}
    assert parse_json(json.dumps(value), "file") == value


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "Expecting value"),
        ("[1, 2", "Expecting ',' delimiter"),
        ("[1,]", "(Expecting value|Illegal trailing comma)"),
        ("'a'", "Expecting value"),
        ('"\x01"', "Invalid control character"),
        ("[" * 70_000, "nested more than 100 deep"),
        ("{" * 70_000, "nested more than 100 deep"),
        ("-" * 200_000, "Expecting value"),
        ('{"a": 1, "b": 2, "a": 3}', "an object has the name 'a' twice"),
        ('[{"a": {"b": 1, "b": 1}}]', "the name 'b' twice"),
        ("[NaN]", "it has NaN, which is not a number of JSON"),
        ("-Infinity", "it has -Infinity"),
        ("1e999999", "a number that is too large or too long: 1e999999"),
        ("0." + "1" * 99, "too large or too long"),
        (str(2**63), "a number beyond 64 bits: 9223372036854775808"),
        (str(-(2**63) - 1), "a number beyond 64 bits"),
        ("9" * 5000, "a number beyond 64 bits: 99999999999999999999"),
        (r'"\u0000"', "a text has a null character"),
        (r'"\ud800"', "half of a surrogate pair"),
        (r'"\uDE00\uD83D"', "half of a surrogate pair"),
        (r'"\\\ud83d\ud83d"', "half of a surrogate pair"),
        ("[" + "0," * 90_000 + "0]", "more than 80,000 commas, colons and brackets"),
        ('{"a":' * 90_000, "more than 80,000 commas"),
        ('"",' * 90_000, "more than 80,000 commas"),
        ('"[",' * 90_000, "more than 80,000 commas"),
    ],
    ids=lambda text: text[:20].replace("[", "<"),
)
def test_other_json_is_refused(text: str, match: str) -> None:
    with pytest.raises(FormatError, match=f"`data` must be JSON, but a.json is not: .*{match}"):
        parse_json(text, "a.json", "data", max_mb=2)


def test_the_message_of_an_error_is_short() -> None:
    with pytest.raises(FormatError) as caught:
        parse_json(json.dumps({"\n" * 5000: 1})[:-1] + json.dumps({"\n" * 5000: 1})[1:], "file")
    assert len(str(caught.value)) < 400


# ---------------------------------------------------------------------- CSV


def test_rows_are_read_by_their_columns() -> None:
    columns, rows = parse_csv('a,"b,\n c"\n\n1,"x ""y""\n"\n3,\n', "file")
    assert columns == ["a", "b,\n c"]
    assert list(rows) == [(5, {"a": "1", "b,\n c": 'x "y"\n'}), (6, {"a": "3", "b,\n c": ""})]
    columns, rows = parse_csv("", "file")
    assert columns == list(rows) == []


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,b,a\n1,2,3", "it has the column 'a' twice"),
        ("a,b\n1,2\n3", "line 3 has 1 fields, not 2"),
        ("a,b\n1,2,3", "line 2 has 3 fields, not 2"),
        ('a,b\n1,"2', "unexpected end of data"),
        ('a,b\n1,"2"3', "',' expected after '\"'"),
        ("a\n" + "x" * 200_000, "field larger than field limit"),
        ("a\n" + "\n" * 90_000, "more than 80,000 commas and lines"),
        ("a" + "," * 90_000, "more than 80,000 commas and lines"),
    ],
    ids=["columns", "short", "long", "open", "quote", "field", "lines", "commas"],
)
def test_other_csv_is_refused(text: str, match: str) -> None:
    with pytest.raises(FormatError, match=f"`table` must be CSV, but a.csv is not: .*{match}"):
        list(parse_csv(text, "a.csv", "table", max_mb=2)[1])


def test_numbers_have_limits() -> None:
    assert _parsing.whole("-0") == 0
    assert _parsing.finite("1e-999") == 0
    with pytest.raises(ValueError, match="too large"):
        _parsing.finite("-1e309")
