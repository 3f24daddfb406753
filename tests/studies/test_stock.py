"""Candidates for measurements, kept from one choice to the next."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from optuna_ofa import Subnet, SubnetStudy
from optuna_ofa.space import Matrix
from optuna_ofa.studies import Asked
from optuna_ofa.studies._stock import Stock

Make = Callable[..., SubnetStudy]


def ask_one_by_one(study: SubnetStudy, n: int) -> list[Subnet]:
    found = []
    for _ in range(n):
        (one,) = study.ask_batch(1)
        study.tell_batch([one], [[one.predicted["top1"] - 1, one.predicted["latency_ms"]]])
        found.append(one.subnet)
    return found


def count_predictions(study: SubnetStudy, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sizes of the batches that will be predicted."""
    sizes: list[int] = []
    predictor = study.problem.predictors["latency_ms"]
    predict = predictor.predict

    def counting(matrix: Matrix) -> np.ndarray:
        sizes.append(len(matrix))
        return predict(matrix)

    monkeypatch.setattr(predictor, "predict", counting)
    return sizes


@pytest.mark.parametrize("searched", [0, 20], ids=["new", "searched"])
def test_a_choice_does_not_search_again(
    make_study: Make, monkeypatch: pytest.MonkeyPatch, searched: int
) -> None:
    study = make_study()
    study.search(searched)
    sizes = count_predictions(study, monkeypatch)
    ask_one_by_one(study, 20)
    assert 1000 <= sum(sizes) < 2 * 1000


@pytest.mark.parametrize("searched", [0, 20], ids=["new", "searched"])
def test_a_new_process_has_the_same_candidates(
    make_study: Make, sqlite: str, searched: int
) -> None:
    whole = make_study(storage=sqlite, study_name="whole")
    whole.search(searched)
    make_study(storage=sqlite, study_name="parts").search(searched)
    found: list[Subnet] = []
    for n in (1, 4, 2):
        study = make_study(storage=sqlite, study_name="parts", load_if_exists=True)
        found += ask_one_by_one(study, n)
    assert found == ask_one_by_one(whole, 7)


def test_the_size_of_a_batch_leaves_the_next_choice_alone(make_study: Make) -> None:
    def stock() -> Stock:
        study = make_study()
        nothing = study.problem.nothing()
        return Stock(study.problem, study.engine._search.evolution, nothing, nothing.matrix)

    one, other = stock(), stock()
    one.proposals(2000, 0)
    np.testing.assert_array_equal(one.proposals(1, 3).matrix, other.proposals(1, 3).matrix)


def test_trials_of_a_search_are_new_candidates(make_study: Make) -> None:
    study = make_study()
    before = ask_one_by_one(study, 3)
    study.search(800)
    front = {point.subnet for point in study.front(kind="predicted")}
    assert set(ask_one_by_one(study, 4)) <= front - set(before)


def test_more_is_searched_as_more_is_measured(make_study: Make) -> None:
    """Otherwise the hundredth subnet of a short search would be far behind the first."""
    study = make_study(objectives=["top1", "latency_ms"])
    asked: list[Asked] = []
    for _ in range(6):
        asked += (new := study.ask_batch(60))
        study.tell_batch(new, [[a.predicted["top1"], a.predicted["latency_ms"]] for a in new])
    proposed = study.engine._search._stock
    assert proposed is not None
    assert sum(len(part.matrix) for part in proposed._proposed) >= 1000 + 20 * 300
    assert len({a.subnet for a in asked}) == 360
