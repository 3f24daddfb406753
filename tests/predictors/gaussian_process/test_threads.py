"""Predictions on any number of threads of NumPy's libraries."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
from optuna_ofa.data import packaged_accuracy
from optuna_ofa.predictors import AccuracyPredictor
from optuna_ofa.space import get_family
model = AccuracyPredictor.load(packaged_accuracy(get_family({name!r}))).model
rows = model._inputs.thermometer._space.sample(100, seed=0)
print(model.predict(rows).tobytes().hex(), model.predict_std(rows).tobytes().hex())
"""


@pytest.mark.parametrize("name", ["ofa_mbv3_w1.0", "ofa_mbv3_fashion"])
def test_the_same_bits_on_any_number_of_threads(name: str) -> None:
    found = [
        subprocess.run(
            [sys.executable, "-c", CODE.format(name=name)],
            env={**os.environ, "OMP_NUM_THREADS": n_threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n_threads in ("1", "2")
    ]
    assert found[0] == found[1] != ""
