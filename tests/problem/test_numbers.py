"""Numbers in words have digits that say something, and those of one column can be told apart."""

from __future__ import annotations

import math

import pytest

from optuna_ofa.problem import METRICS, significant
from optuna_ofa.problem._numbers import decimals

MS, TOP1, MACS = METRICS["latency_ms"], METRICS["top1"], METRICS["n_macs"]


@pytest.mark.parametrize(
    ("value", "std", "text"),
    [
        (14.9, 0.2, "14.90 ± 0.20 ms"),
        (29.97, None, "29.97 ms"),
        (29.97, math.nan, "29.97 ms"),
        (0.0621, 0.0004, "0.06210 ± 0.00040 ms"),
        (0.00062, None, "0.0006200 ms"),
        (9.9999, None, "10.00 ms"),
        (1234.5, 0.3, "1,234.5 ± 0.3 ms"),
        (0.0, None, "0 ms"),
    ],
)
def test_a_latency_has_four_significant_digits(value: float, std: float, text: str) -> None:
    assert MS.text(value, std) == text


def test_percentages_have_two_decimals_or_more() -> None:
    assert TOP1.text(76.123, 0.08) == "76.12 ± 0.08 %"
    assert TOP1.text(100.0) == "100.00 %"
    assert TOP1.text(8.5, 0.001) == "8.500 ± 0.001 %"
    assert TOP1.text(8.5) == "8.50 %"
    assert TOP1.column([0.1134, 0.0]) == ["0.11", "0.00"]
    assert TOP1.text(-0.0004, sign="+", n=4) == "-0.0004 %"


def test_counts_are_exact_alone_and_short_in_columns() -> None:
    assert MACS.text(3410792) == "3,410,792"
    assert MACS.column([84211, 122444, math.nan]) == ["84.2 k", "122.4 k", "nan k"]
    assert MACS.column([3.41e6, 0.12e6]) == ["3.410 M", "0.120 M"]
    assert MACS.column([12, 7]) == ["12", "7"]


@pytest.mark.parametrize(
    "values",
    [[0.06, 0.0604, 0.0655], [0.061999, 0.062001, 0.07], [12.3456, 12.3467], [0.05, 100.3, 100.4]],
    ids=str,
)
def test_numbers_of_one_column_differ_and_have_the_same_decimals(values: list[float]) -> None:
    texts = MS.column(values)
    assert len(set(texts)) == len(values)
    assert len({len(text.partition(".")[2]) for text in texts}) == 1


def test_equal_numbers_need_no_more_digits() -> None:
    assert MS.column([12.5, 12.5, 12.5 + 1e-9], [None, 0.25, math.nan]) == [
        "12.50",
        "12.50 ± 0.25",
        "12.50",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.000123, "-0.000123"),
        (1234.5, "+1,234"),
        (12.345, "+12.3"),
        (0.0, "+0.00"),
        (math.nan, "+nan"),
    ],
)
def test_errors_have_three_significant_digits(value: float, text: str) -> None:
    assert significant(value, sign="+") == text


def test_numbers_that_need_not_differ_in_print_get_the_usual_decimals() -> None:
    assert decimals([91.2839, 91.2841], [0.15], usual=2) == 4
    assert decimals([91.2839, 91.2841], [0.15], usual=2, apart=False) == 2
    assert decimals([9.81, 12.3], [0.004], apart=False) == 3
