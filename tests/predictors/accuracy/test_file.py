"""Files of fitted accuracy predictors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa._json_format import encode_array
from optuna_ofa.data import packaged_accuracy
from optuna_ofa.exceptions import FamilyMismatchError, FormatError
from optuna_ofa.predictors import AccuracyPredictor
from optuna_ofa.space import SearchSpace, get_family, mobilenet_v3_small_images

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[192, 224])
MATRIX = SPACE.sample(60, seed=0)
KINDS = ["gaussian_process", "sparse_gaussian_process", "ridge"]


def top1_of(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
    """An accuracy that depends on everything."""
    return np.asarray(60 + 0.02 * matrix.sum(axis=1))


def fit(kind: Any, space: SearchSpace = SPACE) -> AccuracyPredictor:
    matrix = space.sample(60, seed=0)
    return AccuracyPredictor.fit(
        space, matrix, top1_of(matrix), model=kind, metadata={"source": "a test"}
    )


@pytest.fixture(scope="module", params=KINDS)
def fitted(request: pytest.FixtureRequest) -> AccuracyPredictor:
    return fit(request.param)


@pytest.fixture
def saved(fitted: AccuracyPredictor, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "fitted.json")
    return tmp_path / "fitted.json"


def test_loaded_predictor_is_the_same(fitted: AccuracyPredictor, saved: Path) -> None:
    loaded = AccuracyPredictor.load(saved)
    assert loaded.space == fitted.space
    assert loaded.metadata == {"source": "a test"}
    np.testing.assert_array_equal(loaded.predict(MATRIX), fitted.predict(MATRIX))


def test_loaded_standard_deviations_are_nearly_the_same(
    fitted: AccuracyPredictor, saved: Path
) -> None:
    ours, theirs = (p.predict_std(MATRIX) for p in (AccuracyPredictor.load(saved), fitted))
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_a_loaded_predictor_is_saved_as_the_same_file(saved: Path, tmp_path: Path) -> None:
    AccuracyPredictor.load(saved).save(tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    before = json.loads(saved.read_text())
    assert again == before


def test_the_packaged_file_has_standard_deviations() -> None:
    path = packaged_accuracy(get_family("ofa_mbv3_w1.0"))
    assert path is not None
    space = AccuracyPredictor.load(path).space
    assert AccuracyPredictor.load(path).predict_std(space.sample(1, seed=0)) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_resnet_is_saved_with_its_ratios(kind: str, tmp_path: Path) -> None:
    space = SearchSpace("ofa_resnet50", resolution=[224]).restrict(expand=[0.2, 0.35])
    fit(kind, space).save(tmp_path / "fitted.json")
    assert AccuracyPredictor.load(tmp_path / "fitted.json").space == space


def test_another_family_is_refused(saved: Path) -> None:
    with pytest.raises(FamilyMismatchError, match=r"family ofa_resnet50 .* of ofa_mbv3_w1\.0:"):
        AccuracyPredictor.load(saved, family="ofa_resnet50")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format": "other"}, "must hold 'optuna_ofa.accuracy_predictor', but"),
        ({"version": 1}, "version 2, but .* has version 1; another release"),
        ({"version": 3}, "version 2, but .* has version 3; another release"),
        ({"version": [2]}, r"has version \[2\]"),
        ({"family": None}, r"must hold \['family'\] too"),
        ({"family": 7}, "`family` of .* must be the table"),
        ({"model": None}, r"must hold \['model'\] too"),
        ({"choices": {}}, "`choices` of .* must be those of ofa_mbv3_w1.0"),
        ({"choices": 7}, "`choices` of .* must be those of"),
        ({"metadata": 7}, "`metadata` of .* must be a mapping"),
        ({"model": {}}, "`model` must have a `kind` among .* but has None"),
        ({"model": 7}, "`model` must have a `kind`"),
        ({"model": {"kind": "boosting"}}, "has 'boosting'"),
        ({"model": {"kind": ["ridge"]}}, r"has \['ridge'\]"),
        ({"model": {"kind": "ridge"}}, "`model` must hold the numbers of a ridge model"),
        ({"model": {"kind": "gaussian_process"}}, "`matrix` must be an array"),
        ({"model": {"kind": "sparse_gaussian_process"}}, "`points` must be an array"),
    ],
    ids=str,
)
def test_broken_file_is_refused(tmp_path: Path, changes: dict[str, Any], match: str) -> None:
    path = tmp_path / "fitted.json"
    fit("ridge").save(path)
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    with pytest.raises(FormatError, match=match):
        AccuracyPredictor.load(path)


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the JSON object of a file."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_numbers_of_another_space_are_refused(saved: Path) -> None:
    rewrite(saved, lambda data: data["choices"].update(resolution=[128, 192, 224]))
    with pytest.raises(FormatError, match=r"must (have \d+|be)"):
        AccuracyPredictor.load(saved)


@pytest.mark.parametrize(
    ("kind", "change", "match"),
    [
        ("ridge", {"weights": [1.0]}, "`weights` must be .* finite numbers"),
        ("ridge", {"top1": float("nan")}, "it has NaN"),
        ("gaussian_process", {"logs": [0.0]}, "`logs` must be 9 finite numbers"),
        ("gaussian_process", {"logs": [1e9] * 9}, "`logs` must be numbers between -12"),
        ("gaussian_process", {"logs": [None] * 9}, "`logs` must be 9 finite numbers"),
        ("gaussian_process", {"logs": "many"}, "`logs` must be 9 finite numbers"),
        ("gaussian_process", {"level": float("inf")}, "it has Infinity"),
        ("gaussian_process", {"scale": 0.0}, "`scale` must be a number above 0 up to 50"),
        ("gaussian_process", {"weights": {}}, "`weights` must be an array"),
        ("gaussian_process", {"n_features": 3}, "`n_features` must be .* but is 3"),
    ],
    ids=str,
)
def test_broken_model_is_refused(
    tmp_path: Path, kind: str, change: dict[str, Any], match: str
) -> None:
    path = tmp_path / "fitted.json"
    fit(kind).save(path)
    rewrite(path, lambda data: data["model"].update(change))
    with pytest.raises(FormatError, match=match):
        AccuracyPredictor.load(path)


def test_subnets_outside_of_the_space_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fitted.json"
    fit("gaussian_process").save(path)
    rewrite(path, lambda data: data["choices"].update(resolution=[192]))
    with pytest.raises(FormatError, match=r"Gaussian process, .*'resolution' among \(192,\)"):
        AccuracyPredictor.load(path)


def test_subnets_that_were_never_measured_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fitted.json"
    fit("gaussian_process").save(path)
    counts = encode_array(np.zeros(60, dtype=np.int64))
    rewrite(path, lambda data: data["model"].update(counts=counts))
    with pytest.raises(FormatError, match="`counts` must be positive, but got 0"):
        AccuracyPredictor.load(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_truncated_file_is_refused(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FormatError, match="`path` must be JSON"):
        AccuracyPredictor.load(saved)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "7", "[" * 100_000, "\x00"],
    ids=["truncated", "list", "number", "deep", "nul"],
)
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "fitted.json").write_text(text)
    with pytest.raises(FormatError, match="`path` must"):
        AccuracyPredictor.load(tmp_path / "fitted.json")


def test_large_file_is_not_read(saved: Path) -> None:
    with saved.open("r+b") as file:
        file.truncate(65_000_000)  # takes no room on the disk
    with pytest.raises(FormatError, match=r"`path` must be a file of at most 64 MB .* one of 65"):
        AccuracyPredictor.load(saved)
    with pytest.raises(FormatError, match="null characters"):
        AccuracyPredictor.load(saved, max_mb=65)


def test_a_predictor_of_a_family_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    space = SearchSpace(mobilenet_v3_small_images("mine"))
    fit("ridge", space).save(tmp_path / "fitted.json")
    assert AccuracyPredictor.load(tmp_path / "fitted.json").space == space
    assert get_family(tmp_path / "fitted.json") == space.family
    other = mobilenet_v3_small_images("mine", width=2.0)
    with pytest.raises(FamilyMismatchError, match="out_channels of stage 1: 24 in the file, 48"):
        AccuracyPredictor.load(tmp_path / "fitted.json", family=other)
