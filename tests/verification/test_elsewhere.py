"""Latencies that were predicted for another device than measured them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import optuna_ofa
from optuna_ofa import LatencyTable, SearchSpace, SubnetStudy
from optuna_ofa.data import find_hardware
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import LatencyPredictor, NetworkLatencyPredictor
from optuna_ofa.profiling import elsewhere
from optuna_ofa.space import Matrix
from optuna_ofa.verification import Meter, Readings, Verification

SPACE = SearchSpace("ofa_mbv3_fashion")
TURIN = "cpu family 26, model 2, model name AMD EPYC"


def table_of(**metadata: Any) -> LatencyTable:
    """The packaged table of torch, with other metadata."""
    found = find_hardware("cpu-torch", SPACE.family)
    assert isinstance(found, LatencyTable)
    return LatencyTable(found.content._replace(metadata={**found.metadata, **metadata}))


class OnDevice(Meter):
    """Measures what the packaged table says, times a factor."""

    def __init__(self, factor: float = 1.0, **setup: Any) -> None:
        self._predictor = LatencyPredictor(table=table_of(), space=SPACE)
        self._factor, self.setup = factor, {**_setup(table_of()), **setup}

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        values = self._factor * self._predictor.predict(matrix)
        return Readings(values, np.full(len(matrix), np.nan), {}, setup=self.setup)


def _setup(table: LatencyTable) -> Mapping[str, Any]:
    names = ("runtime", "versions", "settings", "clock", "processor")
    return {name: table.metadata[name] for name in names}


@pytest.fixture
def verified() -> Callable[..., Verification]:
    """Subnets of a searched study that a meter has measured."""

    def verify(measure: Any, hardware: Any = None, points: Any = 6) -> Verification:
        study = optuna_ofa.study(SPACE, hardware=hardware or table_of(), seed=0)
        study.search(n_trials=100)
        return study.verify({"latency_ms": measure}, points=points)

    return verify


Verify = Callable[..., Verification]


def test_a_table_of_this_device_needs_no_words(verified: Verify) -> None:
    found = verified(OnDevice(1.3))
    assert (found.notes, found.remedies) == ((), ())
    assert "another" not in str(found)


def test_a_table_of_another_processor_says_so(verified: Verify) -> None:
    found = verified(OnDevice(0.55, processor=TURIN))
    assert found.notes == (
        "latency_ms: table of another processor (AMD EPYC family 25 model 17, measured on AMD EPYC "
        "family 26 model 2): measured times are 0.55 of predicted, after correction MAPE 0.00 % "
        "(leave-one-out)",
    )
    correct, profile = found.remedies
    assert "`recalibrate()` of this result" in correct
    assert profile == (
        "to measure a table of this device: `optuna-ofa profile --supernet ofa_mbv3_fashion "
        "--runtime torch --out here.json`"
    )
    assert str(found).endswith(f"{found.notes[0]}\n  {correct}\n  {profile}")


def test_the_command_has_the_settings_of_the_measurement(verified: Verify) -> None:
    settings = {"threads": 4, "batch": 2, "precision": "bfloat16", "device": "cpu", "pin": [0, 1]}
    found = verified(OnDevice(settings=settings))
    assert "with another number of threads (1, measured with 4)" in found.notes[0]
    assert found.remedies[1].endswith(
        "--runtime torch --threads 4 --batch 2 --precision bfloat16 --pin 0 1 --out here.json`"
    )


def test_a_runtime_of_the_users_own_has_no_command(verified: Verify) -> None:
    found = verified(OnDevice(runtime="mine", versions={"mine": "1"}))
    assert "of another runtime (torch 2.13.0+cpu, measured with mine 1)" in found.notes[0]
    assert len(found.remedies) == 1


def test_another_version_of_the_runtime_is_named(verified: Verify) -> None:
    (note,) = verified(OnDevice(versions={"torch": "2.14.0"})).notes
    assert "table of another version of torch (2.13.0+cpu, measured with 2.14.0)" in note
    assert "measured times are 1.0 of predicted" in note


@pytest.mark.parametrize("metadata", [{"processor": None}, {"processor": ""}], ids=str)
def test_a_table_that_does_not_say_is_of_an_unknown_processor(
    verified: Verify, metadata: dict[str, Any]
) -> None:
    (note,) = verified(OnDevice(0.5), table_of(**metadata)).notes
    assert "table of an unknown processor (measured on AMD EPYC family 25 model 17)" in note
    assert "measured times are 0.50 of predicted" in note


def test_a_function_measures_on_an_unknown_processor(verified: Verify) -> None:
    def on_my_phone(subnet: object) -> float:
        return 3.0

    found = verified(on_my_phone)
    assert "of AMD EPYC family 25 model 17, measured by `" in found.notes[0]
    assert "on_my_phone` on an unknown processor" in found.notes[0]
    assert len(found.remedies) == 1  # nobody knows what to profile
    again = verified(on_my_phone, found.recalibrate())
    assert again.notes == ()


def test_a_predictor_of_the_users_own_is_of_an_unknown_processor(
    make_study: Callable[..., SubnetStudy],
) -> None:
    study = make_study()
    (note,) = study.verify({"latency_ms": OnDevice()}, points=[SPACE.smallest()]).notes
    assert "predictor of an unknown processor (measured on AMD EPYC family 25 model 17)" in note
    assert study.verify({"latency_ms": lambda _: 3.0}, points=2).notes == ()


def test_two_subnets_are_too_few_to_correct_by(verified: Verify) -> None:
    found = verified(OnDevice(0.55, processor=TURIN), points=2)
    assert found.notes[0].endswith("measured times are 0.55 of predicted")
    assert found.remedies[0] == "measure 3 subnets or more to correct the predictions"
    with pytest.raises(InvalidArgumentError, match="at least 3 measured latencies, but has 2"):
        found.recalibrate()


def test_a_corrected_predictor_is_of_this_device(verified: Verify, tmp_path: Path) -> None:
    here = OnDevice(0.55, processor=TURIN)
    found = verified(here, points=8)
    latency = found.recalibrate()
    assert isinstance(latency, NetworkLatencyPredictor)
    latency.save(tmp_path / "here.json")
    for hardware in (latency, tmp_path / "here.json"):
        again = verified(here, hardware)
        assert again.notes == ()
        assert again.errors["latency_ms"].mape < 1e-6
    assert latency.metadata["recalibrated"]["n_subnets"] == 8
    assert latency.metadata["processor"] == TURIN


def test_devices_are_not_mixed_in_a_correction(verified: Verify) -> None:
    meter = OnDevice(0.5, processor=TURIN)
    study = optuna_ofa.study(SPACE, hardware=table_of(), objectives=["latency_ms"], seed=0)
    study.search(n_trials=50)
    subnets = SPACE.from_matrix(SPACE.sample(6, seed=0))
    study.verify({"latency_ms": OnDevice()}, points=subnets[:3])
    found = study.verify({"latency_ms": meter}, points=subnets)
    assert found.notes[0].endswith("measured under 2 different conditions")
    assert found.remedies == ()
    with pytest.raises(InvalidArgumentError, match=r"one set of conditions.* 2: AMD"):
        found.recalibrate()
    one = study.verify({"latency_ms": meter}, points=subnets[3:])
    assert isinstance(one.recalibrate(), NetworkLatencyPredictor)


def test_accuracies_recalibrate_nothing(make_study: Callable[..., SubnetStudy]) -> None:
    found = make_study().verify({"top1": lambda _: 40.0}, points=3)
    with pytest.raises(InvalidArgumentError, match=r"must measure latency_ms.* measured top1"):
        found.recalibrate()


def test_a_prediction_of_zero_has_no_ratio() -> None:
    setup = {**_setup(table_of()), "processor": "another"}
    measured = np.array([2.0, 4.0, 6.0])
    made: dict[str, Any] = {"of_table": True, "family": SPACE.family, "lowest": 1.0}
    facts = {**table_of().metadata, "processor": "one"}
    whole = elsewhere(facts, [setup], np.array([1.0, 2.0, 3.0]), measured, **made)
    none = elsewhere(facts, [setup], np.array([0.0, 2.0, 3.0]), measured, **made)
    assert whole is not None
    assert none is not None
    assert "measured times are 2.0 of predicted" in whole.finding
    assert "of predicted" not in none.finding
    assert "after correction" not in none.finding
