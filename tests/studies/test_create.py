"""What `optuna_ofa.study` makes of its arguments."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import optuna_ofa
from optuna_ofa import AccuracyPredictor, LatencyTable, SearchSpace, SubnetStudy, data, get_family
from optuna_ofa.data import _find
from optuna_ofa.exceptions import (
    FamilyMismatchError,
    ImplausibleValueWarning,
    InvalidArgumentError,
    StudyMismatchError,
)
from optuna_ofa.predictors import Predictor
from optuna_ofa.problem import Problem
from optuna_ofa.samplers import EvolutionarySampler
from optuna_ofa.storage import _make

Make = Callable[..., SubnetStudy]
NOTE10, ACCURACY = "note10_w1.2", "ofa_mbv3_w1.2_acc_predictor.pth"
W10 = get_family("ofa_mbv3_w1.0")


class TestContinuing:
    """A study goes on only with the problem that it was made for."""

    @pytest.mark.parametrize(
        ("change", "key"),
        [
            pytest.param({"constraints": {"latency_ms": 31.0}}, "constraints", id="bound"),
            pytest.param({"constraints": {}}, "constraints", id="no-bound"),
            pytest.param({"constraints": {"n_macs": 30.0}}, "constraints", id="metric"),
            pytest.param({"objectives": ("latency_ms", "top1")}, "objectives", id="order"),
            pytest.param({"objectives": ("top1", "n_macs")}, "objectives", id="objectives"),
            pytest.param(
                {"over": SearchSpace("ofa_mbv3_w1.2")}, "ofa_mbv3_w1.0: name", id="family"
            ),
            pytest.param({"over": SearchSpace("ofa_mbv3_w1.0")}, "choices", id="choices"),
            pytest.param({"accuracy": None}, "predictions", id="predictor"),
        ],
    )
    def test_another_problem_is_refused_before_anything_is_written(
        self,
        make_study: Make,
        predictor: Callable[..., Predictor],
        space: SearchSpace,
        sqlite: str,
        change: dict[str, Any],
        key: str,
    ) -> None:
        same = {"storage": sqlite, "study_name": "a", "constraints": {"latency_ms": 30.0}}
        make_study(**same).search(5)
        before = optuna.load_study(study_name="a", storage=sqlite)
        if "accuracy" in change:
            change = {"accuracy": predictor("top1", space, lambda m: np.full(len(m), 70.0))}
        with pytest.raises(StudyMismatchError, match=f"'a' (has|is of) {key}.* use another name"):
            make_study(**{**same, **change}, load_if_exists=True)
        after = optuna.load_study(study_name="a", storage=sqlite)
        assert after.trials == before.trials
        assert after.user_attrs == before.user_attrs
        assert after.metric_names == before.metric_names

    def test_the_same_problem_is_taken(self, make_study: Make, sqlite: str) -> None:
        same = {"storage": sqlite, "study_name": "a", "constraints": {"latency_ms": 30.0}}
        make_study(**same).search(5)
        assert len(make_study(**same, load_if_exists=True).trials) == 5

    def test_a_study_that_exists_is_not_taken_unasked(self, make_study: Make, sqlite: str) -> None:
        make_study(storage=sqlite, study_name="a")
        with pytest.raises(optuna.exceptions.DuplicatedStudyError, match="a"):
            make_study(storage=sqlite, study_name="a")

    @pytest.mark.parametrize(
        ("directions", "n_trials"),
        [(["maximize", "minimize"], 1), (["maximize", "maximize"], 0), (["maximize"], 0)],
        ids=["trials", "directions", "objectives"],
    )
    def test_a_study_of_somebody_else_is_refused(
        self,
        make_study: Make,
        sqlite: str,
        monkeypatch: pytest.MonkeyPatch,
        directions: list[str],
        n_trials: int,
    ) -> None:
        other = optuna.create_study(storage=sqlite, study_name="a", directions=directions)
        other.optimize(lambda trial: (1.0,) * len(directions), n_trials=n_trials)
        monkeypatch.setattr(_make, "_PAUSE_S", 0.0)
        with pytest.raises(StudyMismatchError, match="created by optuna_ofa, but 'a' is not"):
            make_study(storage=sqlite, study_name="a", load_if_exists=True)

    def test_load_if_exists_makes_what_does_not(self, make_study: Make, sqlite: str) -> None:
        assert make_study(storage=sqlite, study_name="a", load_if_exists=True).trials == []


class TestArguments:
    def test_seed_with_a_sampler_is_refused(self, make_study: Make, space: SearchSpace) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`seed` must be None with a `sampler`.*3"):
            make_study(sampler=EvolutionarySampler(space), seed=3)

    def test_a_sampler_of_another_space_is_refused(self, make_study: Make) -> None:
        sampler = EvolutionarySampler(SearchSpace("ofa_resnet50"))
        with pytest.raises(InvalidArgumentError, match="`sampler` must be for SearchSpace"):
            make_study(sampler=sampler)

    @pytest.mark.parametrize(
        "arguments", [{"objectives": ["top1", "energy"]}, {"constraints": {"energy": 3.0}}], ids=str
    )
    def test_unknown_metrics_are_refused(self, make_study: Make, arguments: Any) -> None:
        expected = r"must be among top1, latency_ms, n_macs, n_params, .* but got 'energy'"
        with pytest.raises(InvalidArgumentError, match=expected):
            make_study(**arguments)

    @pytest.mark.parametrize("objectives", [[], ["top1", "top1"]], ids=str)
    def test_objectives_must_be_different_ones(
        self, make_study: Make, objectives: list[str]
    ) -> None:
        with pytest.raises(InvalidArgumentError, match="`objectives` must be different metrics"):
            make_study(objectives=objectives)

    @pytest.mark.parametrize("bound", [float("nan"), float("inf"), None])
    def test_bounds_must_be_finite(self, make_study: Make, bound: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`constraints\['top1'\]` must be a fin"):
            make_study(constraints={"top1": bound})

    @pytest.mark.parametrize(
        ("metric", "bound", "rule"),
        [
            ("top1", 7500, "in percent, from 0 to 100"),
            ("top1", -1, "in percent, from 0 to 100"),
            ("top1", True, "number"),
            ("top1", "75", "number"),
            ("latency_ms", 0, "positive"),
            ("n_macs", -3e8, "positive"),
        ],
    )
    def test_bounds_are_values_of_their_metric(
        self, make_study: Make, metric: str, bound: Any, rule: str
    ) -> None:
        with pytest.raises(InvalidArgumentError, match=rf"`constraints\['{metric}'\]` .*{rule}"):
            make_study(constraints={metric: bound})

    def test_a_bound_that_is_a_fraction_is_warned_of(self, make_study: Make) -> None:
        with pytest.warns(
            ImplausibleValueWarning, match=r"top1'\]` is probably a fraction: .*0.75"
        ):
            make_study(constraints={"top1": 0.75})

    def test_an_unknown_family_is_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match=r"one of ofa_mbv3_w1.0, .* got 'resnet'"):
            optuna_ofa.study("resnet")

    def test_predictors_in_each_others_place_are_refused(
        self, make_study: Make, predictor: Callable[..., Predictor], space: SearchSpace
    ) -> None:
        expected = r"`predictors\['top1'\]` must be a predictor of 'top1', .* one of 'latency_ms'"
        with pytest.raises(InvalidArgumentError, match=expected):
            make_study(accuracy=predictor("latency_ms", space))

    def test_a_problem_needs_a_predictor_of_each_metric(self, space: SearchSpace) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`predictors\['top1'\]`.* but got none"):
            Problem(space=space, objectives=["top1"], constraints={}, predictors={})

    def test_a_predictor_of_another_family_is_refused(
        self, make_study: Make, predictor: Callable[..., Predictor]
    ) -> None:
        other = predictor("top1", SearchSpace("ofa_mbv3_w1.2"))
        with pytest.raises(FamilyMismatchError, match=r"its predictor is of ofa_mbv3_w1\.2"):
            make_study(accuracy=other)

    def test_counts_need_neither_hardware_nor_accuracy(self) -> None:
        study = optuna_ofa.study("ofa_resnet50", objectives=["n_macs", "n_params"])
        study.search(20)
        assert study.front()[0].subnet == study.space.smallest()

    def test_a_family_may_be_given_itself(self) -> None:
        family = get_family("ofa_resnet50")
        assert optuna_ofa.study(family, objectives=["n_macs"]).space.family is family


class TestResolutions:
    @pytest.mark.parametrize("as_family", [False, True], ids=["by-name", "by-value"])
    def test_of_a_family_are_cut_down(
        self, predictor: Callable[..., Predictor], as_family: bool, caplog: Any
    ) -> None:
        top1 = predictor("top1", SearchSpace(W10, resolution=[128, 160, 224]))
        latency = predictor("latency_ms", SearchSpace(W10, resolution=[160, 192, 224]))
        with caplog.at_level(logging.INFO, logger="optuna_ofa"):
            study = optuna_ofa.study(
                W10 if as_family else W10.name, accuracy=top1, hardware=latency
            )
        assert study.space.resolutions == (160, 224)
        assert "resolutions that all predictors cover: [160, 224]" in caplog.text

    def test_of_a_family_must_have_one_in_common(self, predictor: Callable[..., Predictor]) -> None:
        top1 = predictor("top1", SearchSpace(W10, resolution=128))
        latency = predictor("latency_ms", SearchSpace(W10, resolution=224))
        with pytest.raises(InvalidArgumentError, match="must cover a common resolution"):
            optuna_ofa.study(W10, accuracy=top1, hardware=latency)

    def test_of_a_space_are_not_cut_down(
        self, make_study: Make, predictor: Callable[..., Predictor], space: SearchSpace
    ) -> None:
        with pytest.raises(InvalidArgumentError, match=r"must keep 'resolution' among \[224\]"):
            make_study(SearchSpace(W10), accuracy=predictor("top1", space))


class TestFinding:
    """Names and paths, with the published files."""

    @pytest.mark.parametrize("as_type", [str, Path], ids=["text", "path"])
    def test_folder_and_file(self, shared_data: Path, as_type: type) -> None:
        study = optuna_ofa.study(
            "ofa_mbv3_w1.2",
            hardware=as_type(shared_data / NOTE10),
            accuracy=as_type(shared_data / ACCURACY),
        )
        assert study.space.resolutions == (160, 176, 192, 208, 224)

    def test_values(self, shared_data: Path) -> None:
        study = optuna_ofa.study(
            "ofa_mbv3_w1.2",
            hardware=LatencyTable.load(shared_data / NOTE10 / "192_lookup_table.yaml"),
            accuracy=AccuracyPredictor.load(shared_data / ACCURACY),
        )
        assert study.space.resolutions == (192,)

    @pytest.mark.parametrize(
        ("argument", "name", "file"),
        [("hardware", "note10", NOTE10), ("accuracy", "ofa_mbv3_w1.2_accuracy", ACCURACY)],
        ids=["table", "accuracy"],
    )
    def test_published_names_are_fetched(
        self,
        shared_data: Path,
        monkeypatch: pytest.MonkeyPatch,
        argument: str,
        name: str,
        file: str,
    ) -> None:
        fetched = []

        def fetch(name: str) -> Path:
            fetched.append(name)
            return shared_data / file

        monkeypatch.setattr(_find, "fetch", fetch)
        arguments: dict[str, Any] = {
            "hardware": shared_data / NOTE10,
            "accuracy": shared_data / ACCURACY,
            argument: name,
        }
        study = optuna_ofa.study("ofa_mbv3_w1.2", **arguments)
        of = "Samsung Note10" if argument == "hardware" else "unknown processor"
        assert f"latency predicted for {of})" in repr(study)
        assert fetched == [name]

    def test_the_published_predictor_is_the_default(
        self, shared_data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_find, "fetch", lambda name: shared_data / ACCURACY)
        study = optuna_ofa.study("ofa_mbv3_w1.2", hardware=shared_data / NOTE10)
        assert isinstance(study.problem.predictors["top1"], AccuracyPredictor)

    @pytest.mark.parametrize(
        ("argument", "message"),
        [
            ("hardware", r"`hardware` must be .* one of .*i7-8700k, but got 'pixel9'"),
            ("accuracy", r"`accuracy` must be .* one of ofa_mbv3_w1.2_accuracy, .*got 'pixel9'"),
        ],
        ids=["hardware", "accuracy"],
    )
    def test_a_wrong_name_lists_what_there_is(
        self, make_study: Make, argument: str, message: str
    ) -> None:
        with pytest.raises(InvalidArgumentError, match=message):
            make_study(**{argument: "pixel9"})

    def test_a_published_table_of_other_families_is_not_fetched(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_find, "fetch", lambda name: pytest.fail(f"fetched {name}"))
        message = (
            "`hardware` must be a table of efficientnet_lite0, but 'note10' is one of "
            "ofa_mbv3_w1.2; its own are cpu-onnxruntime"
        )
        with pytest.raises(InvalidArgumentError, match=message):
            optuna_ofa.study("efficientnet_lite0", hardware="note10", objectives=["latency_ms"])

    def test_no_packaged_table_says_what_can_be_given(self) -> None:
        own = replace(get_family("ofa_resnet50"), name="mine")
        with pytest.raises(InvalidArgumentError, match="no latency table for mine is packaged"):
            optuna_ofa.study(own, objectives=["latency_ms"])

    @pytest.mark.parametrize("name", ["ofa_proxyless_w1.3", "ofa_resnet50"])
    def test_a_family_without_a_table_of_torch_takes_the_other(self, name: str) -> None:
        study = optuna_ofa.study(name, objectives=["latency_ms", "n_params"], seed=0)
        assert study.problem.facts("latency_ms")["runtime"] == "onnxruntime"
        study.search(50)
        assert len(study.front()) > 0

    def test_no_default_predictor_says_what_can_be_given(self) -> None:
        with pytest.raises(InvalidArgumentError, match=r"no predictor for ofa_proxyless_w1.3 is"):
            optuna_ofa.study("ofa_proxyless_w1.3", objectives=["top1"])

    def test_a_table_of_another_family_is_refused(self, shared_data: Path) -> None:
        with pytest.raises(FamilyMismatchError, match=r"ofa_mbv3_w1\.0"):
            optuna_ofa.study(
                "ofa_mbv3_w1.0", hardware=shared_data / NOTE10, objectives=["latency_ms", "n_macs"]
            )

    @pytest.mark.skipif(
        data.packaged_accuracy(W10) is None or not data.table_names(W10),
        reason="no predictor or table is packaged",
    )
    def test_the_packaged_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
        study = optuna_ofa.study("ofa_mbv3_w1.0", seed=0)
        study.search(200)
        assert 70 < study.front().best().values["top1"] < 80
