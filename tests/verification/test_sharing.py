"""Processes that verify one study share the subnets, also those measured by a function."""

from __future__ import annotations

import threading
import time
from collections import Counter

import numpy as np
import optuna
import sqlalchemy as sa

from optuna_ofa import SearchSpace, Subnet
from optuna_ofa.measurements import MeasurementTable, Reading
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


def test_the_value_of_whoever_took_a_subnet_over_counts(sqlite: str) -> None:
    study = optuna.create_study(storage=sqlite, study_name="a")
    matrix = SPACE.sample(3, seed=0)
    engine, taken = sa.create_engine(sqlite), []

    def energy(subnet: Subnet) -> float:
        if not taken:  # this caller was suspended meanwhile
            taken.append(subnet)
            setup = {"study": "a", "measured_by": "function"}
            with engine.begin() as connection:
                connection.exec_driver_sql("DELETE FROM ofa_claims")
            theirs = [(subnet, Reading("energy_mj", 3.0, None, 1, {}))]
            MeasurementTable(sqlite, SPACE.family, setup).add(theirs)
        return 5.0

    found = FunctionMeter("energy_mj", energy).measure(SPACE, matrix, study)
    assert found.values.tolist() == [3.0, 5.0, 5.0]
    with engine.connect() as connection:
        values = connection.exec_driver_sql("SELECT value FROM ofa_measured").scalars().all()
    assert sorted(values) == [3.0, 5.0, 5.0]
