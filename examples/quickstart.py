"""The main workflow, offline: a predicted Pareto front, then a measured one.

Run with ``make quickstart``. First everything is predicted: the accuracies by a model fitted to
about 1,300 subnets that were measured on ImageNet, the latencies by a table of layers that was
measured on a CPU; ``optuna_ofa/data/README.md`` has their errors. Then this machine is profiled, a
small packaged supernet is searched for it, and the subnets found are measured: their latency here,
and their accuracy on packaged images. A second run measures nothing.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import optuna
import torch

import optuna_ofa
from optuna_ofa import (
    AccuracyMeter,
    EvaluationSettings,
    LatencyMeter,
    LatencyTable,
    MeasurementSettings,
    SubnetStudy,
)
from optuna_ofa.dashboard import publish_view
from optuna_ofa.data import packaged_images, packaged_supernet
from optuna_ofa.exceptions import NoisyDeviceWarning
from optuna_ofa.visualization import plot_verification

FOLDER = Path("runs")
FAMILY, SMALL = "ofa_mbv3_w1.0", "ofa_mbv3_fashion"
# a noisy profile is reported, not refused
SETTINGS = MeasurementSettings(runtime="torch", max_spread=1)
BUSY_PERCENT = 10  # standard deviation of a round on a machine that is busy with other things
N_TRIALS, N_LIMITS = 5_000, 5
N_MEASURED, N_AT_ONCE = 12, 2
PROGRAM = os.path.relpath(Path(sys.executable).with_name("optuna-ofa"))


def main() -> None:
    """Predict a front, measure one, and print the next steps."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sys.stdout.reconfigure(line_buffering=True)  # so that a pipe shows progress immediately
    torch.set_num_threads(1)  # threads wait for each other on a busy machine
    FOLDER.mkdir(exist_ok=True)
    predict()
    table = profile()
    measure(table)
    say_how_to_go_on(table)


def say_how_to_go_on(table: LatencyTable) -> None:
    """Print the commands that do the same for the large supernet."""
    file, storage = FOLDER / f"{FAMILY}.json", f"--storage sqlite:///{FOLDER / 'mine.db'}"
    noise = " --max-spread 1" * (table.metadata["noise_percent"] > BUSY_PERCENT)
    print("\nNext: profile this machine for the large supernet, search it, write a report:")
    print(f"  {PROGRAM} profile --supernet {FAMILY} --runtime torch{noise} --out {file}")
    print(f"  {PROGRAM} search --supernet {FAMILY} --hardware {file} --until {N_TRIALS} {storage}")
    print(f"  {PROGRAM} report {FOLDER / 'report.html'} {storage}")


def search(family: str, file: str, name: str, table: LatencyTable | None = None) -> SubnetStudy:
    """A study with all its trials, searched if some are missing."""
    study = optuna_ofa.study(
        family,
        hardware=table,
        storage=f"sqlite:///{FOLDER / file}",
        study_name=name,
        load_if_exists=True,
        seed=0,
    )
    n_trials = len(study.results(kind="predicted").numbers)
    if n_trials < N_TRIALS:
        print(f"Searching {family} ({study.space.n_subnets:.2g} subnets), {N_TRIALS:,} trials ...")
        study.search(until=N_TRIALS)
    else:
        print(f"{FOLDER / file} has {n_trials:,} trials of {family}; none is added.")
    return study


def predict() -> None:
    """Search on packaged predictors, and show the front."""
    study = search(FAMILY, "quickstart.db", "quickstart")
    front = study.front(kind="predicted")
    fastest, slowest = (front[i].values["latency_ms"] for i in (0, -1))
    limits = np.linspace(fastest, slowest, N_LIMITS + 1)[1:].round(1).tolist()
    print(f"{len(front)} subnets are on the predicted front; the best up to each latency:\n")
    print(f"{'limit (ms)':>12}{'top-1 (%)':>16}{'latency (ms)':>17}")
    for limit in limits:
        of = front.best(latency_ms=limit)
        cells = (f"{of.values[m]:.2f} ± {of.std[m]:.2f}" for m in ("top1", "latency_ms"))
        print("{:12.1f}{:>16}{:>17}".format(limit, *cells))
    front.to_csv(FOLDER / "front.csv")
    print(f"\nThe whole front, with its subnets: {FOLDER / 'front.csv'}")
    figure = study.plot_front()
    figure.write_html(FOLDER / "front.html")
    print(f"A page to open in a browser:       {FOLDER / 'front.html'}")
    try:
        figure.write_image(FOLDER / "front.png", width=1000, height=650, scale=2)
        print(f"The same as a picture:             {FOLDER / 'front.png'}")
    except (ImportError, RuntimeError, ValueError):  # raised by plotly without kaleido or Chrome
        print("No PNG beside the page, because that requires Chrome or Chromium.")
    prove(limits)
    publish(study, limits)


def prove(limits: list[float]) -> None:
    """Print what no subnet can exceed, by a model whose predictions are sums."""
    bound = optuna_ofa.study(FAMILY, accuracy="linear").bound()
    limit = limits[len(limits) // 2]
    best = bound.front.best(latency_ms=limit).values["top1"]
    print(
        f"\nThese accuracies, by a Gaussian process, have no proven bound. By the packaged linear "
        f"model\nno subnet exceeds {float(bound.at(limit)):.2f} % in {limit} ms (proven for all), "
        f"and one has {best:.2f} %."
    )


def publish(study: SubnetStudy, limits: list[float]) -> None:
    """Put figures and a few of the trials into a database for Optuna Dashboard."""
    file, part = FOLDER / "dashboard.db", FOLDER / "dashboard.part.db"
    if not file.exists():
        print("Writing a copy for Optuna Dashboard ...")
        publish_view(study, f"sqlite:///{part}", limits=limits)
        part.rename(file)  # exists only once it is complete
    number = optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{file}")._study_id
    print("\nTo open it in Optuna Dashboard, a command and the page that it serves:")
    print(f"  {PROGRAM} dashboard --storage sqlite:///{file}")
    print(f"  http://127.0.0.1:8080/dashboard/studies/{number}\n")


def profile() -> LatencyTable:
    """The latency table of this machine for the small supernet, measured once."""
    path = FOLDER / f"{SMALL}.json"
    if path.exists():
        print(f"The profile of this machine is {path}; delete it to measure again.")
        table = LatencyTable.load(path)
    else:
        print(f"Profiling this machine for {SMALL} (a few seconds) ...")
        table = optuna_ofa.profile(SMALL, SETTINGS, out=path)
        print(f"The profile is {path}.")
    if (noise := table.metadata["noise_percent"]) > BUSY_PERCENT:
        print(f"This machine was busy: repeated runs had a standard deviation of {noise:.0f} %.")
    return table


def measure(table: LatencyTable) -> None:
    """Search the small supernet for this machine, and measure the subnets found."""
    # another profile is another study
    study = search(SMALL, "measured.db", f"profile of {table.metadata['date']}", table)
    front = study.front(kind="predicted")
    points = [front[i] for i in sorted(set(np.linspace(0, len(front) - 1, N_MEASURED, dtype=int)))]
    images = packaged_images()
    batches = list(zip(*(tensor.split(100) for tensor in images.test.tensors), strict=True))
    settings = EvaluationSettings(calibration=images.train[:][0])
    meters = {
        "top1": AccuracyMeter(packaged_supernet(), batches, settings),
        "latency_ms": LatencyMeter(SETTINGS, anchor_ms=table.metadata["anchor_ms"]),
    }
    n_measured, begin = len(study.results(kind="measured").numbers), time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        if n_measured < len(points):
            print(f"Measuring {len(points)} subnets here and on {len(images.test):,} images ...")
            for i in range(0, len(points), N_AT_ONCE):
                study.verify(meters, points=points[i : i + N_AT_ONCE], progress=False)
                n_measured = min(i + N_AT_ONCE, len(points))
                print(f"  {n_measured} of {len(points)}, {time.monotonic() - begin:.0f} s")
        else:
            print(f"{FOLDER / 'measured.db'} has {n_measured} measured subnets; none is measured.")
        verification = study.verify(meters, points=points, progress=False)
    noise = [of.message for of in caught if of.category is NoisyDeviceWarning]
    if noise:
        print(f"This machine was busy ({len(noise)} warnings; the last): {noise[-1]}")
    for message in {str(of.message) for of in caught if of.category is not NoisyDeviceWarning}:
        print(f"Warning: {message}")
    print(f"\n{verification}")
    plot_verification(verification).write_html(FOLDER / "measured.html")
    print(f"\nPredicted beside measured: {FOLDER / 'measured.html'}")


if __name__ == "__main__":
    main()
