"""Costs and rates of plain tables of choices, and terms that a function counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optuna_ofa
from optuna_ofa import Metric, SearchSpace
from optuna_ofa.exceptions import ImplausibleValueWarning, InvalidArgumentError, PredictionError
from optuna_ofa.predictors import NetworkLatencyPredictor, OwnTerms

SPACE = SearchSpace.of_choices(
    {
        f"stage{i}.{part}": values
        for i in (1, 2)
        for part, values in (("expand", [1, 4, 6]), ("layers", [1, 2, 3]), ("se", [False, True]))
    },
    name="two stages",
)
RATE = Metric("images_per_s", unit="images/s", direction="maximize")
ROWS, FRESH = SPACE.sample(12, seed=0), SPACE.sample(100, seed=1)


def counts(matrix: Any) -> Any:
    values = np.array([list(dict(row).values()) for row in SPACE.from_matrix(matrix)], dtype=float)
    expand, layers, se = values[:, 0::3], values[:, 1::3], values[:, 2::3]
    return np.stack([layers.sum(1), (layers * se).sum(1), (layers * expand).sum(1)], axis=1)


def milliseconds(matrix: Any) -> Any:
    return 0.5 + counts(matrix) @ [0.2, 0.1, 0.3]


OWN = OwnTerms(counts, names=["layers", "squeeze-excite", "work"])


def fitted(matrix: Any = ROWS, **settings: Any) -> NetworkLatencyPredictor:
    values = settings.pop("values", milliseconds(matrix))
    return NetworkLatencyPredictor.fit(SPACE, matrix, values, **settings)


def test_own_terms_are_found_with_their_prices() -> None:
    predictor = fitted(features=OWN)
    assert predictor.name == "own"
    np.testing.assert_allclose(predictor.predict(FRESH), milliseconds(FRESH), rtol=0.01)


def test_products_of_choices_explain_a_plain_table() -> None:
    predictor = fitted(SPACE.sample(80, seed=2))
    assert predictor.name == "choices"
    np.testing.assert_allclose(predictor.predict(FRESH), milliseconds(FRESH), rtol=0.02)


def test_a_rate_is_the_reciprocal_of_a_sum() -> None:
    predictor = fitted(values=1000 / milliseconds(ROWS), features=counts, metric=RATE)
    assert (predictor.metric, predictor.direction) == ("images_per_s", "maximize")
    np.testing.assert_allclose(predictor.predict(FRESH), 1000 / milliseconds(FRESH), rtol=0.01)
    assert (predictor.predict_std(FRESH) > 0).all()
    assert "reciprocal of a sum" in str(predictor.terms())


def test_a_rate_near_zero_cost_stays_finite() -> None:
    work = counts(ROWS)[:, 2]
    predictor = fitted(values=100 / work, features=lambda m: counts(m)[:, 2:] - 2, metric=RATE)
    assert np.isfinite(predictor.predict(SPACE.enumerate())).all()
    assert predictor.predict(SPACE.enumerate()).max() <= 10.001 * (100 / work).max()


def test_the_prediction_of_a_row_does_not_depend_on_the_batch() -> None:
    for predictor in (fitted(features=OWN), fitted()):
        together = predictor.predict(FRESH)
        alone = [predictor.predict(FRESH[[i]])[0] for i in range(len(FRESH))]
        np.testing.assert_array_equal(together, alone)


def test_it_is_an_objective() -> None:
    rate = Metric(
        "images_per_s",
        unit="images/s",
        direction="maximize",
        predictor=fitted(values=1000 / milliseconds(ROWS), metric=RATE, features=OWN),
    )
    size = Metric("work", direction="maximize", predictor=lambda row: float(row["stage1.expand"]))
    study = optuna_ofa.study(SPACE, objectives=[size, rate], seed=0)
    study.search(n_trials=60)
    fastest = max(point.images_per_s for point in study.front())
    assert fastest == pytest.approx(
        1000 / milliseconds(SPACE.to_matrix([SPACE.smallest()]))[0], 0.05
    )


def test_rows_that_were_measured_less_surely_count_less() -> None:
    matrix = SPACE.sample(30, seed=3)
    wrong = np.arange(30) < 6
    values = milliseconds(matrix) * np.where(wrong, 2, 1)
    std = values * np.where(wrong, 1.0, 0.001)
    errors = [
        np.abs(
            fitted(matrix, values=values, features=OWN, std=s).predict(FRESH) - milliseconds(FRESH)
        )
        for s in (None, std)
    ]
    assert errors[1].mean() < errors[0].mean() / 3


def test_files_hold_all_but_the_function(tmp_path: Path) -> None:
    path = tmp_path / "rate.json"
    predictor = fitted(values=1000 / milliseconds(ROWS), metric=RATE, features=OWN)
    predictor.save(path)
    with pytest.raises(InvalidArgumentError, match=r"`features` must be the function that counts "):
        NetworkLatencyPredictor.load(path)
    with pytest.raises(InvalidArgumentError, match=r"`features` must count layers, squeeze-excite"):
        NetworkLatencyPredictor.load(path, features=counts)
    read = NetworkLatencyPredictor.load(path, features=OWN)
    assert (read.metric, read.direction, read.space) == ("images_per_s", "maximize", SPACE)
    np.testing.assert_array_equal(read.predict(FRESH), predictor.predict(FRESH))
    np.testing.assert_array_equal(read.predict_std(FRESH), predictor.predict_std(FRESH))


def test_a_file_of_choices_alone_needs_no_function(tmp_path: Path) -> None:
    predictor = fitted()
    predictor.save(tmp_path / "latency.json")
    read = NetworkLatencyPredictor.load(tmp_path / "latency.json")
    np.testing.assert_array_equal(read.predict(FRESH), predictor.predict(FRESH))


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda m: counts(m)[:, 0], r"must return \(2, k\) numbers of at least 0"),
        (lambda m: counts(m)[:1], r"but returned \(1, 3\)"),
        (lambda m: counts(m) - 9, "numbers of at least 0, but returned -"),
        (lambda m: counts(m) * np.nan, "but returned nan"),
        (lambda m: "layers", "but returned 'layers'"),
        (lambda m: counts(m)[:, :0], r"but returned \(2, 0\)"),
        (OwnTerms(counts, names=["one"]), r"\(2, 1\) numbers of at least 0, but returned \(2, 3\)"),
    ],
    ids=["one number", "rows", "negative", "nan", "text", "no columns", "names"],
)
def test_functions_that_do_not_count_are_refused(function: Any, text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`features` must count amounts: .*{text}"):
        fitted(features=function)


def test_a_function_that_fails_later_says_so() -> None:
    predictor = fitted(features=lambda m: counts(m) - 9 * (len(m) == len(FRESH)))
    with pytest.raises(PredictionError, match="numbers of at least 0, but returned -"):
        predictor.predict(FRESH)


def test_a_constant_column_warns() -> None:
    with pytest.warns(ImplausibleValueWarning, match="the same bytes for all 12 measured networks"):
        predictor = fitted(
            features=OwnTerms(
                lambda m: counts(m)[:, [0, 0]] * [1, 0] + [0, 7], names=["layers", "bytes"]
            )
        )
    assert np.isfinite(predictor.predict(FRESH)).all()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"metric": "images_per_s"}, "`metric` must be a Metric with a direction"),
        ({"metric": 3}, "`metric` must be a Metric"),
        ({"metric": Metric("a", direction="minimize"), "values": [-1] * 12}, "must be positive"),
        ({"std": [1, 2]}, "`std` must be 12 numbers, one for each row, but got 2"),
        ({"std": [-1] * 12}, "`std` must have a standard deviation that is 0 or positive"),
        ({"features": "terms"}, "`features` must be 'choices' or 'onehot', or a function"),
        ({"features": "own"}, "`features` must be 'choices' or 'onehot', or a function"),
        ({"features": 3}, "`features` must be a name of features"),
        ({"like": []}, "`like` must be left out for another metric"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_fitted_is_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgumentError, match=text):
        fitted(**settings)


def test_names_and_units_go_together() -> None:
    with pytest.raises(InvalidArgumentError, match="`units` must be one for each of the `names`"):
        OwnTerms(counts, names=["a", "b", "c"], units=["a layer"])
    with pytest.raises(InvalidArgumentError, match="`names` must be different"):
        OwnTerms(counts, names=["a", "a", "c"])
