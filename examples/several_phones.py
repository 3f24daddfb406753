"""Measure a study on several phones at the same time, one of which is unplugged on the way.

Each phone here is a process that reads a subnet a line and answers with milliseconds, as a shell on
a phone does behind `adb`. Latencies are made up; accuracies are the predicted ones with noise, as a
stand-in for a validation run, which the same function would do. The next subnets are chosen by
models of all measurements so far, and the subnet of the phone that was unplugged goes to another.

Run it again to continue: nothing is measured twice. Several instances may run on one database, each
with its own phones of the same model.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

import numpy as np
import optuna

import optuna_ofa
from optuna_ofa import Subnet, SubnetStudy

FAMILY = "ofa_mbv3_w1.0"
N_PHONES = 3
N_MEASUREMENTS = 20
N_BEFORE_UNPLUGGED = 4
ACCURACY_NOISE = 0.1  # percentage points

# what runs on a phone
PHONE = """
import json, sys, time
for line in sys.stdin:
    subnet = json.loads(line)
    blocks = [(k, e) for k, e in zip(subnet["kernel"], subnet["expand"]) if k]
    ms = sum(0.1 * e + 0.02 * k * e for k, e in blocks) * (subnet["resolution"] / 224) ** 2
    time.sleep(ms / 1000)
    print(round(ms, 3), flush=True)
"""


class Phone:
    """A phone behind a pipe.

    Args:
        study: Has the predictions of accuracy.
        seed: Of the simulated accuracies.
        n_left: Unplug it after this many measurements; None for never.
    """

    def __init__(self, study: SubnetStudy, seed: int, n_left: int | None = None) -> None:
        self._study, self._n_left = study, n_left
        self._rng = np.random.default_rng(seed)
        self._process = subprocess.Popen(
            [sys.executable, "-c", PHONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self, subnet: Subnet) -> dict[str, float]:
        """Return top-1 in percent, simulated, and milliseconds of the phone."""
        if self._n_left is not None:
            if self._n_left == 0:
                self.close()
            self._n_left -= 1
        predictor = self._study.problem.predictors["top1"]
        (top1,) = predictor.predict(self._study.space.to_matrix([subnet]))
        top1 += self._rng.normal(0, ACCURACY_NOISE)
        return {"top1": float(top1), "latency_ms": self._latency_ms(subnet)}

    def _latency_ms(self, subnet: Subnet) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(subnet.to_dict())}\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise ConnectionError("the phone does not answer")
        return float(line)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Measure, and print the measured front."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--storage", help="URL of a database; default: in memory")
    parser.add_argument("--phones", type=int, default=N_PHONES)
    parser.add_argument("--n", type=int, default=N_MEASUREMENTS, help="measurements")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    study = optuna_ofa.study(
        FAMILY,
        learn=True,
        storage=arguments.storage,
        study_name="phones",
        load_if_exists=True,
        seed=0,
    )
    phones = {f"phone-{i}": Phone(study, i) for i in range(1, arguments.phones)}
    phones["unplugged"] = Phone(study, 0, N_BEFORE_UNPLUGGED)
    try:
        measured = study.measure_batches(phones, n=arguments.n)
    finally:
        for phone in phones.values():
            phone.close()

    for name, n in measured.items():
        print(f"{name} measured {n} subnets")
    for trial in study.trials[-5:]:
        print(
            f"trial {trial.number}: {trial.values[1]:.2f} ms, predicted "
            f"{trial.user_attrs['predicted']['latency_ms']:.2f}, on {trial.user_attrs['device']}"
        )
    front = study.front(kind="measured")
    print(f"\n{len(front)} of {len(study.results(kind='measured').numbers)} are on their front:")
    for point in front:
        print(f"  {point}")


if __name__ == "__main__":
    main()
