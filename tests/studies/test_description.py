"""What a study says of itself."""

from __future__ import annotations

import optuna_ofa
from optuna_ofa.predictors import CostPredictor


def test_a_study_says_what_its_latencies_are_predicted_for() -> None:
    study = optuna_ofa.study("ofa_mbv3_fashion", hardware="cpu-torch", study_name="mine")
    assert repr(study) == (
        "SubnetStudy('mine', ofa_mbv3_fashion, top1 / latency_ms, latency predicted for AMD EPYC "
        "family 25 model 17, torch 2.13.0+cpu)"
    )


def test_a_study_without_latencies_does_not() -> None:
    study = optuna_ofa.study("ofa_mbv3_fashion", objectives=["n_macs"], study_name="mine")
    assert repr(study) == "SubnetStudy('mine', ofa_mbv3_fashion, n_macs)"
    assert isinstance(study.problem.predictors["n_macs"], CostPredictor)
