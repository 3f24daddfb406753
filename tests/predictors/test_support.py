"""What a predictor was fitted on, and which subnets are outside."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa.exceptions import ExtrapolationWarning, FormatError
from optuna_ofa.predictors import AccuracyPredictor, ConfidenceBound
from optuna_ofa.predictors._support import Support
from optuna_ofa.predictors._widening import coordinates
from optuna_ofa.space import SearchSpace

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=[128, 160, 192, 224])
FITTED = SPACE.restrict(resolution=[160, 192], kernel=[3, 5])
MATRIX = SPACE.canonicalize(FITTED.sample(300, seed=0))
KINDS = ["gaussian_process", "sparse_gaussian_process", "ridge"]


def top1_of(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
    """An accuracy that depends on everything."""
    return np.asarray(60 + 0.02 * matrix.sum(axis=1))


def fit(kind: Any, space: SearchSpace = SPACE) -> AccuracyPredictor:
    return AccuracyPredictor.fit(space, MATRIX, top1_of(MATRIX), model=kind)


@pytest.fixture(scope="module", params=KINDS)
def fitted(request: pytest.FixtureRequest) -> AccuracyPredictor:
    return fit(request.param)


@pytest.fixture(scope="module")
def support() -> Support:
    return Support.of(SPACE, MATRIX, top1_of(MATRIX))


def test_fitted_subnets_are_inside(support: Support) -> None:
    assert not support.outside(MATRIX, top1_of(MATRIX)).any.any()


def test_few_more_of_the_same_kind_are_outside(fitted: AccuracyPredictor) -> None:
    assert fitted.extrapolates(FITTED.sample(1_000, seed=1)).mean() < 0.05


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (128, "resolution 128 is below the fitted 160 to 192"),
        (224, "resolution 224 is above the fitted 160 to 192"),
    ],
    ids=["below", "above"],
)
def test_an_unseen_resolution_is_outside(
    fitted: AccuracyPredictor, pixels: int, words: str
) -> None:
    other = FITTED.sample(50, seed=1)
    other[:, 0] = pixels
    assert fitted.extrapolates(other).all()
    assert fitted.support is not None
    assert words in fitted.support.reasons(other, fitted.predict(other))[0]


def test_a_resolution_between_fitted_ones_is_outside() -> None:
    matrix = MATRIX.copy()
    matrix[:150, 0], matrix[150:, 0] = 128, 192
    support = Support.of(SPACE, matrix, top1_of(matrix))
    between = matrix.copy()
    between[:, 0] = 160
    outside = support.outside(between, top1_of(between))
    assert outside.resolution.all()
    assert not outside.choice.any()
    words = "resolution 160 is between the fitted 128, 192"
    assert words in support.reasons(between, top1_of(between))[0]


def test_an_unseen_choice_is_outside(support: Support) -> None:
    other = SPACE.restrict(resolution=[160, 192]).sample(300, seed=2)
    kernels = [j for j, gene in enumerate(SPACE.genes) if gene.kind == "kernel"]
    largest = (SPACE.canonicalize(other)[:, kernels] == 7).any(axis=1)
    outside = support.outside(other, top1_of(MATRIX))
    np.testing.assert_array_equal(outside.choice, largest)
    assert not outside.resolution.any()
    assert "kernel = 7 and choices of " in support.reasons(other, top1_of(MATRIX))[0]


def test_an_absent_block_has_no_unseen_choice(support: Support) -> None:
    subnets = FITTED.sample(300, seed=3)
    kernels = [j for j, gene in enumerate(SPACE.genes) if gene.kind == "kernel"]
    absent = SPACE.canonicalize(subnets)[:, kernels] == 0
    subnets[:, kernels] = np.where(absent, 7, subnets[:, kernels])
    assert not support.outside(subnets, top1_of(MATRIX)).choice.any()


@pytest.mark.parametrize("which", ["smallest", "largest"])
def test_an_unseen_size_is_outside(support: Support, which: str) -> None:
    (subnet,) = SPACE.to_matrix([getattr(FITTED, which)()])
    outside = support.outside(subnet[None], top1_of(MATRIX[:1]))
    assert outside.size.all()
    assert not outside.choice.any()
    assert (
        "million multiply-adds outside of" in support.reasons(subnet[None], top1_of(MATRIX[:1]))[0]
    )


def test_a_prediction_beyond_all_fitted_accuracies_is_outside(support: Support) -> None:
    low, high = support.values
    predicted = np.array([low - 0.1, low, high, high + 0.1])
    outside = support.outside(MATRIX[:4], predicted)
    np.testing.assert_array_equal(outside.any, [True, False, False, True])


def test_an_unlike_combination_is_outside() -> None:
    # all blocks of a fitted subnet have the same expand ratio
    matrix = FITTED.sample(400, seed=4)
    expands = [j for j, gene in enumerate(SPACE.genes) if gene.kind == "expand"]
    alike = matrix.copy()
    alike[:, expands] = alike[:, expands[:1]]
    support = Support.of(SPACE, SPACE.canonicalize(alike), top1_of(alike))
    outside = support.outside(matrix, top1_of(alike))
    assert outside.distance.mean() > 0.9
    assert not outside.choice.any()


def test_flags_are_the_same_in_every_batch(fitted: AccuracyPredictor) -> None:
    matrix = np.concatenate([SPACE.sample(100, seed=5), FITTED.sample(500, seed=5)])
    flags = fitted.extrapolates(matrix)
    assert 0 < flags.sum() < len(flags)
    alone = [fitted.extrapolates(matrix[i : i + 1])[0] for i in range(200)]
    np.testing.assert_array_equal(flags[:200], alone)
    np.testing.assert_array_equal(flags[::-1], fitted.extrapolates(matrix[::-1]))


def test_an_empty_batch_has_no_flags(fitted: AccuracyPredictor) -> None:
    assert fitted.extrapolates(MATRIX[:0]).shape == (0,)


def test_a_bound_has_the_flags_of_its_predictor(fitted: AccuracyPredictor) -> None:
    matrix = SPACE.sample(100, seed=6)
    np.testing.assert_array_equal(
        ConfidenceBound(fitted).extrapolates(matrix), fitted.extrapolates(matrix)
    )


def test_a_predictor_warns_once() -> None:
    predictor = fit("ridge")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor.predict(MATRIX)
    other = SPACE.sample(10, seed=7)
    other[:4, 0], other[4:, 0] = 128, 160
    pattern = r"\d+ of 10 subnets .* resolution 128 is below the fitted 160 to 192 \(4\)"
    with pytest.warns(ExtrapolationWarning, match=pattern):
        predictor.predict(other)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor.predict(other)


def test_in_a_study_only_the_study_warns() -> None:
    predictor = fit("ridge")
    study = optuna_ofa.study(SPACE, accuracy=predictor, hardware="cpu-torch", seed=0)
    with pytest.warns(ExtrapolationWarning, match="points of the predicted front") as warned:
        study.search(40)
    assert sum(w.category is ExtrapolationWarning for w in warned) == 1
    assert not predictor.has_warned


@pytest.mark.filterwarnings("error")
def test_saving_and_loading_do_not_warn(fitted: AccuracyPredictor, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fitted.json")
    AccuracyPredictor.load(tmp_path / "fitted.json")


def test_a_loaded_predictor_has_the_same_flags(fitted: AccuracyPredictor, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fitted.json")
    loaded = AccuracyPredictor.load(tmp_path / "fitted.json")
    matrix = SPACE.sample(500, seed=8)
    np.testing.assert_array_equal(loaded.extrapolates(matrix), fitted.extrapolates(matrix))


def test_without_a_support_nothing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "fitted.json"
    fit("ridge").save(path)
    data = json.loads(path.read_text())
    del data["support"]
    path.write_text(json.dumps(data))
    assert not AccuracyPredictor.load(path).extrapolates(SPACE.sample(100, seed=9)).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.clear(), "must hold what the predictor was fitted on"),
        (lambda s: s["seen"].pop("resolution"), "must hold what the predictor was fitted on"),
        (lambda s: s["seen"].update(resolution=[]), "`seen` of resolution must be some of"),
        (lambda s: s["seen"].update(resolution=[192, 160]), "`seen` of resolution must be some of"),
        (lambda s: s["seen"].update(resolution=[100]), "`seen` of resolution must be some of"),
        (lambda s: s["seen"].update(resolution="all"), "`seen` of resolution must be some of"),
        (lambda s: s.update(sizes=[20, 19]), "`sizes` of `support` must be two ascending"),
        (lambda s: s.update(sizes=[0, 1e4]), "`sizes` of `support` must be two ascending"),
        (lambda s: s.update(values=[1]), "`values` of `support` must be 2 finite numbers"),
        (lambda s: s.update(limit=-1), "`limit` of `support` must be"),
        (lambda s: s["mean"].update(shape=[3]), "`mean` must be float32"),
        (lambda s: s.pop("root"), "`root` must be an array"),
    ],
    ids=range(12),
)
def test_a_damaged_support_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    path = tmp_path / "fitted.json"
    fit("ridge").save(path)
    data = json.loads(path.read_text())
    change(data["support"])
    path.write_text(json.dumps(data))
    with pytest.raises(FormatError, match=words):
        AccuracyPredictor.load(path)


@pytest.mark.parametrize("value", [None, [], 3, "support"], ids=repr)
def test_a_support_must_be_an_object(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "fitted.json"
    fit("ridge").save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"support": value}))
    with pytest.raises(FormatError, match="must hold what the predictor was fitted on"):
        AccuracyPredictor.load(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pixels", [128, 224])
def test_intervals_cover_an_unseen_resolution(kind: Any, pixels: int) -> None:
    # the accuracy grows with the logarithm of the resolution, by 3 points from 160 to 192
    rng = np.random.default_rng(0)
    matrix = np.concatenate([MATRIX[:60], MATRIX[:60]])
    matrix[:60, 0], matrix[60:, 0] = 160, 192
    other = MATRIX[:100].copy()
    other[:, 0] = pixels

    def measured(rows: NDArray[np.int16]) -> NDArray[np.float64]:
        genes = 0.02 * rows[:, 1:].sum(axis=1)
        return 60 + genes + 16 * np.log(rows[:, 0] / 160) + rng.normal(0, 0.1, len(rows))

    predictor = AccuracyPredictor.fit(SPACE, matrix, measured(matrix), model=kind)
    std = predictor.predict_std(other)
    assert std is not None
    errors = np.abs(measured(other) - predictor.predict(other))
    assert (errors < 1.645 * std).mean() >= 0.8


def test_deviations_grow_with_the_distance_of_the_resolution(fitted: AccuracyPredictor) -> None:
    stds = []
    for pixels in (192, 224):
        other = MATRIX[:50].copy()
        other[:, 0] = pixels
        stds.append(fitted.predict_std(other))
    assert (stds[1] > 1.5 * stds[0]).all()


def test_deviations_grow_with_unseen_choices(fitted: AccuracyPredictor) -> None:
    assert fitted.support is not None
    assert fitted.support.widening is not None
    other = SPACE.canonicalize(SPACE.restrict(resolution=[192], kernel=[7]).sample(50, seed=1))
    kernels = [j for j, gene in enumerate(SPACE.genes) if gene.kind == "kernel"]
    n_unseen = (other[:, kernels] == 7).sum(axis=1)
    assert n_unseen.min() > 5
    least = fitted.support.widening.per_choice * n_unseen
    assert (fitted.predict_std(other) >= least).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["lowest", "highest"])
def test_intervals_cover_a_left_out_fifth(kind: Any, which: str) -> None:
    # accuracies that saturate, as measured ones do
    rng = np.random.default_rng(0)
    matrix = np.unique(SPACE.restrict(resolution=[224]).sample(500, seed=3), axis=0)
    points = matrix[:, 1:].sum(axis=1)
    values = 75 - 6 * np.exp(-(points - points.min()) / 30) + rng.normal(0, 0.05, len(points))
    low, high = np.quantile(values, [0.2, 0.8])
    out = values < low if which == "lowest" else values > high
    predictor = AccuracyPredictor.fit(SPACE, matrix[~out], values[~out], model=kind)
    std = predictor.predict_std(matrix[out])
    assert std is not None
    errors = np.abs(values[out] - predictor.predict(matrix[out]))
    assert (errors < 1.645 * std).mean() >= 0.8


def test_deviations_are_the_same_in_every_batch(fitted: AccuracyPredictor) -> None:
    matrix = SPACE.sample(300, seed=5)
    std = fitted.predict_std(matrix)
    assert std is not None
    alone = [fitted.predict_std(matrix[i : i + 1]) for i in range(100)]
    np.testing.assert_array_equal(std[:100], np.concatenate(alone))


def test_a_loaded_predictor_has_the_same_widening(
    fitted: AccuracyPredictor, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "fitted.json")
    loaded = AccuracyPredictor.load(tmp_path / "fitted.json").support
    assert fitted.support is not None
    assert loaded is not None
    assert fitted.support.widening is not None
    assert loaded.widening == fitted.support.widening


def test_too_few_rows_to_leave_out_some() -> None:
    predictor = AccuracyPredictor.fit(SPACE, MATRIX[:6], top1_of(MATRIX[:6]))
    far = SPACE.to_matrix([SPACE.smallest(), SPACE.largest()])
    near, wide = predictor.predict_std(MATRIX[:6]), predictor.predict_std(far)
    assert near is not None
    assert wide is not None
    assert wide.min() > near.max()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("curve"), "must hold how standard deviations grow"),
        (lambda w: w.update(sides=[{}]), "must hold how standard deviations grow"),
        (lambda w: w.update(sides=3), "must hold how standard deviations grow"),
        (lambda w: w.update(per_resolution=-1), "`per_resolution` of `widening` must be"),
        (lambda w: w.update(per_choice="much"), "`per_choice` of `widening` must be"),
        (lambda w: w.update(curve=[1, 2]), "`curve` of `widening` must be 3 finite"),
        (lambda w: w["sides"][0].update(of="depth"), "A side of `widening` must be an end of"),
        (lambda w: w["sides"][0].update(sign=2), "A side of `widening` must be an end of"),
        (lambda w: w["sides"][0].update(unit=0), "`unit` of `widening` must be"),
        (lambda w: w["sides"][0].update(rate=1e9), "`rate` of `widening` must be"),
    ],
    ids=range(10),
)
def test_a_damaged_widening_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    path = tmp_path / "fitted.json"
    fit("ridge").save(path)
    data = json.loads(path.read_text())
    change(data["support"]["widening"])
    path.write_text(json.dumps(data))
    with pytest.raises(FormatError, match=words):
        AccuracyPredictor.load(path)


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_of_large_gains_reach_back_to_usual_ones(kind: Any) -> None:
    # accuracies of a network that was cut without training: low, and different at equal sizes
    rng = np.random.default_rng(0)
    rows = np.unique(SPACE.restrict(resolution=[192]).sample(60, seed=4), axis=0)
    kernels = [j for j, gene in enumerate(SPACE.genes) if gene.kind == "kernel"]
    top1 = 1 + 80 / (1 + np.exp(4 - rows[:, kernels].mean(axis=1)))
    top1 += rng.normal(0, 2, len(rows))
    predictor = AccuracyPredictor.fit(SPACE, rows, top1, model=kind)
    assert predictor.support is not None
    widening = predictor.support.widening
    assert widening is not None
    (side,) = (side for side in widening.sides if side.of == "gain")
    assert 0 < side.rate <= side.unit / 1.645 < top1.std()
    best = rows[np.argsort(top1)[-5:]]
    sizes = predictor.support.sizes_of(best)
    predicted = np.full(len(best), 95.0)  # far above what is usual for the sizes
    gains = coordinates(predicted, sizes, widening.curve)["gain"]
    beyond = side.distance(gains) * side.unit
    alone = widening._replace(sides=(side,))
    nothing = np.zeros(len(best))
    added = alone.variances(predicted, sizes=sizes, distances=nothing, n_unseen=nothing.astype(int))
    assert (1.645 * np.sqrt(added) <= beyond + 1e-9).all()
