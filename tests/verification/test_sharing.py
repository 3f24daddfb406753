"""Processes that verify one study share the subnets, also those measured by a function."""

from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np
import optuna

from optuna_ofa import SearchSpace, Subnet
from optuna_ofa.verification import FunctionMeter, Readings

SPACE = SearchSpace("ofa_mbv3_w1.0")


def test_each_subnet_is_measured_by_one_caller(sqlite: str) -> None:
    matrix = SPACE.sample(8, seed=0)
    study = optuna.create_study(storage=sqlite, study_name="a")
    calls: Counter[Subnet] = Counter()
    found: dict[int, Readings] = {}
    start = threading.Barrier(2, timeout=60)

    def energy(subnet: Subnet) -> float | None:
        calls[subnet] += 1
        time.sleep(0.02)
        return float(SPACE.to_matrix([subnet]).sum())

    def work(i: int) -> None:
        own = optuna.load_study(storage=sqlite, study_name="a")
        start.wait()
        found[i] = FunctionMeter("energy_mj", energy).measure(SPACE, matrix, own)

    threads = [threading.Thread(target=work, args=[i]) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert study.study_name == "a"
    assert set(calls.values()) == {1}
    assert len(calls) == 8
    for i in range(2):
        np.testing.assert_array_equal(found[i].values, matrix.sum(axis=1))
        assert found[i].failures == {}
