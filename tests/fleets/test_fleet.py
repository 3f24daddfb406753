"""Several devices under one name."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.exceptions import DuplicatedStudyError

import optuna_ofa
from optuna_ofa import SearchSpace, SubnetStudy, Supernet, get_family
from optuna_ofa.data import packaged_table
from optuna_ofa.exceptions import (
    InfeasibleConstraintError,
    InvalidArgumentError,
    PredictionError,
    StudyMismatchError,
)
from optuna_ofa.fleets import Fleet
from optuna_ofa.fleets._search import Guests
from optuna_ofa.fronts import find_front
from optuna_ofa.predictors import LatencyTable, Predictor


def subnets_of(study: SubnetStudy) -> list[bytes]:
    return [row.tobytes() for row in study.results().matrix]


class TestMapping:
    def test_a_study_for_each_device(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Predictor
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, study_name="mine")
        assert isinstance(fleet, Mapping)
        assert list(fleet) == ["wide", "narrow"]
        assert len(fleet) == 2
        assert [s.study_name for s in fleet.values()] == ["mine/wide", "mine/narrow"]
        assert fleet["narrow"].problem.predictors["latency_ms"] is hardware["narrow"]
        assert {s.space for s in fleet.values()} == {fleet.space} == {space}
        assert repr(fleet) == "Fleet('mine': wide, narrow)"
        with pytest.raises(KeyError):
            fleet["other"]

    def test_names_are_told_by_names_and_paths(self, tmp_path: Path) -> None:
        family = get_family("ofa_mbv3_w1.0")
        path = packaged_table("cpu-openvino", family)
        assert path is not None
        copy = tmp_path / "phone.json"
        LatencyTable.load(path).save(copy)
        fleet = optuna_ofa.fleet(family, hardware=["cpu-torch", copy])
        assert list(fleet) == ["cpu-torch", "phone"]

    def test_a_supernet_stands_for_its_family(self) -> None:
        family = get_family("ofa_mbv3_fashion")
        space = SearchSpace(family)
        top1 = optuna_ofa.AccuracyPredictor.fit(
            space, space.sample(8, seed=0), np.arange(8) + 60.0, model="ridge"
        )
        fleet = optuna_ofa.fleet(
            Supernet(family),
            hardware={"any": "nothing"},
            accuracy=top1,
            objectives=("top1", "n_macs"),
        )
        assert fleet.space.family == family

    def test_the_resolutions_are_those_that_all_cover(self, shared_data: Path) -> None:
        fleet = optuna_ofa.fleet(
            "ofa_mbv3_w1.2",
            hardware={
                "Note10": shared_data / "note10_w1.2",
                "i7-8700K": shared_data / "i7-8700k_w1.0" / "i7-8700K_lut.yaml",
                "here": "cpu-onnxruntime",
            },
            accuracy=shared_data / "ofa_mbv3_w1.2_acc_predictor.pth",
        )
        assert {s.space.resolutions for s in fleet.values()} == {(160, 176, 192, 208, 224)}


class TestSearch:
    def test_each_study_gets_so_many_trials(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=0)
        fleet.search(130)
        for study in fleet.values():
            subnets = subnets_of(study)
            assert len(subnets) == len(set(subnets)) == 130
        fleet.search(0)
        assert [len(s.trials) for s in fleet.values()] == [130, 130]

    def test_accuracy_is_predicted_once(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=0)
        fleet.search(100)
        assert len(accuracy.asked) == len(set(accuracy.asked))
        tried = {subnet for study in fleet.values() for subnet in subnets_of(study)}
        assert tried <= set(accuracy.asked)

    def test_values_are_those_of_a_study_alone(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=0)
        fleet.search(100)
        for device, study in fleet.items():
            plain = optuna_ofa.study(space, hardware=hardware[device], accuracy=accuracy)
            results = study.results()
            np.testing.assert_array_equal(
                plain.problem.evaluate(results.matrix).values, results.values
            )

    def test_what_is_good_elsewhere_is_tried(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=0)
        fleet.search(200)
        wide, narrow = (set(subnets_of(study)) for study in fleet.values())
        assert len(wide & narrow) >= 5

    @pytest.mark.parametrize("database", [False, True], ids=["in memory", "sqlite"])
    def test_guests_extend_the_front(
        self,
        space: SearchSpace,
        hardware: dict[str, Predictor],
        accuracy: Any,
        sqlite: str,
        database: bool,
    ) -> None:
        storage = sqlite if database else None
        fleet = optuna_ofa.fleet(
            space, hardware=hardware, accuracy=accuracy, storage=storage, seed=0
        )
        one, other = fleet.values()
        one.search(60)
        other.search(60)
        before = one.front()
        other.results()  # reads what is new, as the fleet's search does
        guests = Guests(one.engine, [other.engine])
        found = guests(10)
        assert 1 <= len(found) <= 3
        theirs = {row.tobytes() for row in other.results().matrix}
        assert {row.tobytes() for row in found} <= theirs - set(subnets_of(one))
        values = one.problem.evaluate(found).values
        for top1, ms in values.tolist():
            assert not any(
                p.values["top1"] >= top1 and p.values["latency_ms"] <= ms for p in before
            )
        assert len(guests(10)) == 0  # nothing new since
        assert len(Guests(one.engine, [other.engine])(1)) == 1

    def test_guests_satisfy_the_constraints(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(
            space,
            hardware=hardware,
            accuracy=accuracy,
            seed=0,
            constraints={"latency_ms": {"narrow": 30.0}},
        )
        assert fleet["wide"].problem.constraints == {}
        fleet["wide"].search(100)
        fleet["narrow"].search(100)
        for study in fleet.values():
            study.results()
        found = Guests(fleet["narrow"].engine, [fleet["wide"].engine])(3)
        assert len(found)
        assert (fleet["narrow"].problem.evaluate(found).excess <= 0).all()

    def test_a_seed_gives_the_same_search(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        found = []
        for _ in range(2):
            fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=3)
            fleet.search(100)
            found.append([subnets_of(study) for study in fleet.values()])
        assert found[0] == found[1]
        assert found[0][0][:25] != found[0][1][:25]  # another seed for each device

    def test_progress_is_shown_for_each_device(
        self,
        space: SearchSpace,
        hardware: dict[str, Predictor],
        accuracy: Any,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=0)
        fleet.search(60, progress=True)
        shown = capsys.readouterr().err
        assert "wide  : 100%" in shown
        assert "narrow: 100%" in shown
        assert "60/60" in shown
        fleet.search(10, progress=False)
        assert capsys.readouterr().err == ""

    def test_it_goes_on_in_a_new_process(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any, sqlite: str
    ) -> None:
        arguments: dict[str, Any] = {
            "hardware": hardware,
            "accuracy": accuracy,
            "storage": sqlite,
            "study_name": "a",
            "seed": 0,
            "load_if_exists": True,
        }
        optuna_ofa.fleet(space, **arguments).search(60)
        again = optuna_ofa.fleet(space, **arguments)
        again.search(60)
        for study in again.values():
            subnets = subnets_of(study)
            assert len(subnets) == len(set(subnets)) == 120
        assert sorted(optuna.get_all_study_names(sqlite)) == ["a/narrow", "a/wide"]

    def test_a_device_can_be_added(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any, sqlite: str
    ) -> None:
        arguments: dict[str, Any] = {"accuracy": accuracy, "storage": sqlite, "study_name": "a"}
        first = {"wide": hardware["wide"]}
        optuna_ofa.fleet(space, hardware=first, **arguments).search(50)
        both = optuna_ofa.fleet(space, hardware=hardware, load_if_exists=True, **arguments)
        assert [len(s.trials) for s in both.values()] == [50, 0]
        both.search(30)
        assert [len(s.trials) for s in both.values()] == [80, 30]

    def test_one_predictor_that_fails_leaves_the_others(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        class Gone(type(hardware["wide"])):  # type: ignore[misc]
            def predict(self, matrix: Any) -> Any:
                if len(matrix) > 20:
                    raise ConnectionError("no answer")
                return super().predict(matrix)

        devices = {"good": hardware["wide"], "gone": Gone(space, 0.0)}
        fleet = optuna_ofa.fleet(space, hardware=devices, accuracy=accuracy, seed=0)
        devices["gone"].predict = lambda matrix: np.ones(1)  # type: ignore[method-assign]
        with pytest.raises(PredictionError, match="must return"):
            fleet.search(100)
        assert len(fleet["good"].results().numbers) >= 50

    def test_an_unreachable_limit_is_refused(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(
            space, hardware=hardware, accuracy=accuracy, constraints={"latency_ms": 1.0}
        )
        with pytest.raises(InfeasibleConstraintError, match="smallest reachable value"):
            fleet.search(10)

    def test_a_negative_number_is_refused(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy)
        with pytest.raises(InvalidArgumentError, match="`n_trials` must be a whole number"):
            fleet.search(-1)


class TestFronts:
    def test_each_device_has_its_front(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=0)
        fleet.search(60)
        fronts = fleet.fronts()
        assert list(fronts) == list(fleet)
        for device, study in fleet.items():
            expected = find_front(study.problem, study.results(), None, study.notes)
            assert list(fronts[device]) == list(expected)
        names = [trace.name for trace in fleet.plot_fronts().data]
        assert [name.split(" (")[0] for name in names] == ["wide", "narrow"]


class TestVerify:
    def test_a_shared_way_measures_each_subnet_once(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=0)
        fleet.search(60)
        asked: list[object] = []

        def top1(subnet: object) -> float:
            asked.append(subnet)
            return 50.0

        found = fleet.verify({"top1": top1, "latency_ms": {"wide": lambda _: 9.0}})
        assert list(found) == ["wide", "narrow"]
        fronts = {p.subnet for front in fleet.fronts(kind="predicted").values() for p in front}
        assert len(asked) == len(set(asked)) == len(fronts)
        assert all(p.trial_number is not None for p in found["wide"])
        assert all(p.trial_number is None for p in found["narrow"])

    def test_an_executor_measures_each_subnet_once_for_all_devices(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        asked: list[object] = []
        here = threading.get_ident()

        def top1(subnet: object) -> float:
            asked.append(subnet)
            assert threading.get_ident() != here
            return 50.0

        def latency(subnet: object) -> float:
            assert threading.get_ident() == here
            return 9.0

        found = []
        for pool in (ThreadPoolExecutor(2), None):
            with pool or contextlib.nullcontext():
                fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=0)
                fleet.search(60)
                measure = {"top1": top1 if pool else lambda _: 50.0, "latency_ms": latency}
                found.append(fleet.verify(measure, executor=pool))
        fronts = {p.subnet for front in fleet.fronts(kind="predicted").values() for p in front}
        assert len(asked) == len(set(asked)) == len(fronts)
        for device in fleet:
            one, other = (of[device] for of in found)
            assert [(p.subnet, p.measured, p.trial_number) for p in one] == [
                (p.subnet, p.measured, p.trial_number) for p in other
            ]

    def test_only_devices_with_something_to_measure(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy, seed=0)
        fleet.search(50)
        found = fleet.verify({"latency_ms": {"narrow": lambda _: 9.0}}, points=2)
        assert list(found) == ["narrow"]
        assert len(found["narrow"]) == 2

    def test_unknown_devices_are_refused(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy)
        expected = (
            r"`measure\['latency_ms'\]` must name only the devices wide, narrow, but got 'tv'"
        )
        with pytest.raises(InvalidArgumentError, match=expected):
            fleet.verify({"latency_ms": {"tv": lambda _: 9.0}})

    def test_what_is_no_executor_is_refused(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any
    ) -> None:
        fleet = optuna_ofa.fleet(space, hardware=hardware, accuracy=accuracy)
        with pytest.raises(InvalidArgumentError, match="`executor` must be an executor with"):
            fleet.verify({"top1": lambda _: 9.0}, executor=4)  # type: ignore[arg-type]


class TestBadInput:
    @pytest.mark.parametrize("hardware", ["note10", [], {}], ids=repr)
    def test_hardware_is_several(self, space: SearchSpace, hardware: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="`hardware` must be a sequence"):
            optuna_ofa.fleet(space, hardware=hardware)

    def test_names_differ(self, space: SearchSpace) -> None:
        with pytest.raises(InvalidArgumentError, match="different names, but got"):
            optuna_ofa.fleet(space, hardware=["cpu-torch", "cpu-torch"])

    def test_predictors_need_names(
        self, space: SearchSpace, hardware: dict[str, Predictor]
    ) -> None:
        with pytest.raises(InvalidArgumentError, match=r"a mapping from names.*ByKernels"):
            optuna_ofa.fleet(space, hardware=list(hardware.values()))

    @pytest.mark.parametrize("name", ["", 3], ids=repr)
    def test_names_are_strings(
        self, space: SearchSpace, hardware: dict[str, Predictor], name: Any
    ) -> None:
        with pytest.raises(InvalidArgumentError, match=f"string.* but got {name!r}"):
            optuna_ofa.fleet(space, hardware={name: hardware["wide"]})
        with pytest.raises(
            InvalidArgumentError, match=f"`study_name` must be a .*string.* got {name!r}"
        ):
            optuna_ofa.fleet(space, hardware=hardware, study_name=name)

    def test_constraints_are_of_devices(
        self, space: SearchSpace, hardware: dict[str, Predictor]
    ) -> None:
        expected = r"`constraints\['latency_ms'\]` must name only the devices wide, narrow, but"
        with pytest.raises(InvalidArgumentError, match=expected):
            optuna_ofa.fleet(space, hardware=hardware, constraints={"latency_ms": {"tv": 3.0}})

    def test_an_existing_study_is_refused_before_any_is_made(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any, sqlite: str
    ) -> None:
        arguments: dict[str, Any] = {"accuracy": accuracy, "storage": sqlite, "study_name": "a"}
        optuna_ofa.fleet(space, hardware={"narrow": hardware["narrow"]}, **arguments)
        with pytest.raises(DuplicatedStudyError, match="'a/narrow' already exists"):
            optuna_ofa.fleet(space, hardware=hardware, **arguments)
        assert optuna.get_all_study_names(sqlite) == ["a/narrow"]

    def test_another_device_under_the_same_name_is_refused(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Any, sqlite: str
    ) -> None:
        arguments: dict[str, Any] = {
            "accuracy": accuracy,
            "storage": sqlite,
            "study_name": "a",
            "load_if_exists": True,
        }
        optuna_ofa.fleet(space, hardware={"phone": hardware["narrow"]}, **arguments)
        with pytest.raises(StudyMismatchError, match="'a/phone'"):
            optuna_ofa.fleet(space, hardware={"phone": hardware["wide"]}, **arguments)


def test_a_report_has_all_devices_and_what_transfers(
    space: SearchSpace, hardware: dict[str, Predictor], accuracy: Predictor, tmp_path: Path
) -> None:
    devices = optuna_ofa.fleet(
        space, hardware=hardware, accuracy=accuracy, study_name="desk", seed=0
    )
    devices.search(n_trials=60, progress=False)
    page = devices.report(tmp_path / "fleet.html", limits=[60.0]).read_text(encoding="utf-8")
    assert "Subnets of the fleet desk" in page
    assert "What transfers" in page
    assert all(f">{device}<" in page for device in hardware)
    assert "https://cdn" not in page.split("<script")[0]
    with pytest.raises(InvalidArgumentError, match="`path` must be a file in a folder that exists"):
        devices.report(tmp_path / "absent" / "fleet.html")


class TestLoad:
    """Fleets that are opened by their name alone."""

    @pytest.fixture
    def made(self, sqlite: str, tmp_path: Path) -> Fleet:
        """A fleet on a packaged table and a file."""
        family = get_family("ofa_mbv3_w1.0")
        path = packaged_table("cpu-openvino", family)
        assert path is not None
        LatencyTable.load(path).save(tmp_path / "phone.json")
        fleet = optuna_ofa.fleet(
            family,
            hardware=["cpu-torch", tmp_path / "phone.json"],
            constraints={"latency_ms": {"phone": 20}},
            storage=sqlite,
            study_name="mine",
            seed=0,
        )
        fleet.search(until=40)
        return fleet

    def test_devices_are_those_of_the_storage(self, made: Fleet, sqlite: str) -> None:
        optuna_ofa.study("ofa_mbv3_w1.0", storage=sqlite, study_name="mine-too")
        fleet = Fleet.load("mine", sqlite)
        assert list(fleet) == ["cpu-torch", "phone"]
        for device, study in made.items():
            assert fleet[device].problem.describe() == study.problem.describe()
        fleet.search(until=60)
        assert [len(study.trials) for study in fleet.values()] == [60, 60]

    def test_accuracy_is_shared(self, made: Fleet, sqlite: str) -> None:
        first, second = Fleet.load("mine", sqlite).values()
        assert first.problem.predictors["top1"] is second.problem.predictors["top1"]

    def test_what_is_not_stored_can_be_given(
        self, space: SearchSpace, hardware: dict[str, Predictor], accuracy: Predictor, sqlite: str
    ) -> None:
        given = {"hardware": hardware, "accuracy": accuracy}
        optuna_ofa.fleet(space, **given, storage=sqlite, study_name="own").search(20)
        fleet = Fleet.load("own", sqlite)
        assert len(fleet.fronts()) == 2
        with pytest.raises(InvalidArgumentError, match="`accuracy` must be given to predict top1"):
            fleet.search(10)
        Fleet.load("own", sqlite, **given).search(10)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"study_name": "mne"}, r"a fleet \(mine\), but got 'mne'; did you mean 'mine'"),
            ({"study_name": ""}, "`study_name` must be a non-empty string"),
            ({"hardware": {"tv": "cpu-torch"}}, "`hardware` must name only the devices cpu-tor"),
        ],
        ids=["unknown", "empty", "device"],
    )
    def test_wrong_arguments(
        self, made: Fleet, sqlite: str, arguments: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InvalidArgumentError, match=message):
            Fleet.load(**{"study_name": "mine", "storage": sqlite, **arguments})
