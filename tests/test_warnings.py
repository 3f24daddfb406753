"""Warnings point at the line of the user, however many calls of the package lie between."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import optuna_ofa
from optuna_ofa.evaluation import recalibrate
from optuna_ofa.exceptions import CalibrationWarning, ImplausibleValueWarning


def test_of_a_function_that_checks_its_arguments() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    with pytest.warns(CalibrationWarning) as caught:
        recalibrate(net, torch.randn(4, 1, 8, 8))
    assert [warning.filename for warning in caught] == [__file__]


def test_of_a_study() -> None:
    with pytest.warns(ImplausibleValueWarning) as caught:
        optuna_ofa.study("ofa_mbv3_w1.0", constraints={"top1": 0.75})
    assert [warning.filename for warning in caught] == [__file__]


def test_of_an_objective_that_optuna_calls() -> None:
    study = optuna_ofa.study("ofa_mbv3_w1.0", seed=0)

    def objective(trial: object) -> tuple[float, float]:
        return 0.75, 20.0

    with pytest.warns(ImplausibleValueWarning) as caught:
        study.optimize(objective, n_trials=1)
    assert [warning.filename for warning in caught] == [__file__]
