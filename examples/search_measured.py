"""Search by measurements, with no prior knowledge of the device.

No latency table, no accuracy predictor: `SurrogateSampler` learns from each trial, and proposes
subnets that may extend the measured front. Here the device is this CPU with a supernet of random
weights: the latencies are real; the accuracies come from a published predictor, as a stand-in for a
validation run, and the sampler sees only the numbers.

It is a plain Optuna study. Run it again with `--storage` to continue, or several times at once to
share the work. `optuna_ofa.study(..., learn=True)` does the same if there are predictors to start
from, also in batches.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import optuna
import torch

import optuna_ofa
from optuna_ofa.samplers import SurrogateSampler

FAMILY = "ofa_mbv3_w1.0"
N_TRIALS = 60
N_STARTUP_TRIALS = 20
N_PASSES = 9

Objective = Callable[[optuna.Trial], tuple[float, float]]


def latency_ms(net: torch.nn.Module, resolution: int) -> float:
    """Median CPU milliseconds of a forward pass of one image, without waiting times."""
    image = torch.randn(1, 3, resolution, resolution)
    times = []
    with torch.inference_mode():
        for _ in range(N_PASSES):
            start = time.process_time()
            net(image)
            times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


def make_objective(space: optuna_ofa.SearchSpace) -> Objective:
    """Top-1 in percent, simulated, and milliseconds, measured."""
    supernet = optuna_ofa.Supernet(space.family).eval()
    accuracy = optuna_ofa.study(FAMILY).problem.predictors["top1"]

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        subnet = space.suggest(trial)
        top1 = float(accuracy.predict(space.to_matrix([subnet]))[0])
        return top1, latency_ms(supernet.extract(subnet).eval(), subnet.resolution)

    return objective


def main() -> None:
    """Measure some subnets, and compare the first and the last predictions with the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=N_TRIALS)
    parser.add_argument("--startup", type=int, default=N_STARTUP_TRIALS, help="before the models")
    parser.add_argument("--storage", help="URL of a database; default: in memory")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)

    space = optuna_ofa.SearchSpace(FAMILY).restrict(resolution=224)
    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=SurrogateSampler(space, n_startup_trials=arguments.startup),
        storage=arguments.storage,
        study_name="search-measured",
        load_if_exists=True,
    )
    # an exception leaves a failed trial, whose subnet is not proposed again
    study.optimize(make_objective(space), n_trials=arguments.trials, catch=(RuntimeError,))

    for trial in study.get_trials(states=[optuna.trial.TrialState.COMPLETE]):
        if "predicted" not in trial.user_attrs:
            continue
        top1, ms = trial.values
        predicted, std = trial.user_attrs["predicted"], trial.user_attrs["predicted_std"]
        print(
            f"trial {trial.number}: {top1:.2f} % (predicted {predicted['values_0']:.2f} ± "
            f"{std['values_0']:.2f}), {ms:.2f} ms (predicted {predicted['values_1']:.2f} ± "
            f"{std['values_1']:.2f})"
        )
    print(f"\n{len(study.best_trials)} of {len(study.trials)} measured subnets are on their front:")
    for trial in sorted(study.best_trials, key=lambda t: t.values[1]):
        (subnet,) = space.from_matrix(space.from_params([trial.params]))
        print(f"  {trial.values[0]:.2f} %, {trial.values[1]:.2f} ms (measured): {subnet}")


if __name__ == "__main__":
    main()
