"""Measurements on several fake phones at once, and one at a time, in seconds.

    python benchmarks/phones.py

A fake phone sleeps for half a second and returns the prediction, slower and less accurate. Nothing
is predicted beforehand, so the first choice searches for candidates. The bar is that of five phones
with 25 measurements of a study that learns; on a machine with less than an idle core the CPU
seconds, all of which are choices and trials, say more than the wall time.
"""

from __future__ import annotations

import argparse
import time

import optuna
from _head import print_head, spent

import optuna_ofa
from optuna_ofa import Subnet, SubnetStudy

FAMILY = "ofa_mbv3_w1.0"
N, N_PHONES, SECONDS, BAR_S = 25, 5, 0.5, 4.0


class Phone:
    """A fake phone; see above.

    Args:
        study: Has the predictions.
    """

    def __init__(self, study: SubnetStudy) -> None:
        self._study = study

    def measure(self, subnet: Subnet) -> tuple[float, float]:
        """Top-1 in percent and milliseconds."""
        time.sleep(SECONDS)
        study = self._study
        ((top1, ms),) = study.problem.evaluate(study.space.to_matrix([subnet])).values
        return top1 - 0.5, ms * 1.1


def make_study(seed: int, learn: bool) -> SubnetStudy:
    """Return an empty study whose predictors are loaded."""
    study = optuna_ofa.study(FAMILY, learn=learn, seed=seed)
    study.problem.evaluate(study.space.sample(1, seed=0))
    return study


def one_at_a_time(study: SubnetStudy, n: int) -> None:
    """Ask, measure and tell in a loop."""
    phone = Phone(study)
    for _ in range(n):
        asked = study.ask_batch(1)
        study.tell_batch(asked, [phone.measure(one.subnet) for one in asked])


def several(study: SubnetStudy, n: int, n_phones: int) -> None:
    """Measure on several phones."""
    study.measure_batches({f"phone-{i}": Phone(study) for i in range(n_phones)}, n=n)


def main() -> None:
    """Measure, and print seconds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--n", type=int, default=N, help="measurements")
    parser.add_argument("--phones", type=int, default=N_PHONES)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()
    n, n_phones = arguments.n, arguments.phones
    print(f"{n} measurements of {SECONDS} s; bar for {N_PHONES} phones and {N}: {BAR_S} s")
    for learn in (False, True):
        for seed in range(arguments.seeds):
            with spent() as one:
                one_at_a_time(make_study(seed, learn), n)
            with spent() as all_of_them:
                several(make_study(seed, learn), n, n_phones)
            print(
                f"learn={learn}, seed {seed}: one at a time {one}, {n_phones} phones {all_of_them}"
            )


if __name__ == "__main__":
    main()
