"""Three modes of one supernet, for a full battery, saving and a low battery: pick, switch, export.

    python examples/deploy_modes.py --folder runs/modes

Trains a small supernet for a few seconds on synthetic images (which of nine fields is bright),
measures some of its subnets on this CPU, and takes the best one under each of three latency limits.
One process then holds all three, and each is exported for the runtimes that are installed. For your
own supernet and images, change `make_images` and the constants.
"""

from __future__ import annotations

import argparse
import time
import timeit
from pathlib import Path

import torch
from torch import Tensor

import optuna_ofa
from optuna_ofa import SearchSpace, Supernet
from optuna_ofa.deployment import SubnetSwitcher, compare_exported, export, figures_of
from optuna_ofa.exceptions import MissingDependencyError
from optuna_ofa.fronts import Front, FrontPoint
from optuna_ofa.training import Sandwich, TrainingSettings, train

FAMILY = "ofa_mbv3_fashion"
FORMATS = {
    "pytorch": ".safetensors",
    "torch_export": ".pt2",
    "onnx": ".onnx",
    "onnx_int8": ".int8.onnx",
    "executorch": ".pte",
    "ofa": "",
}
RUNTIME = "torch"
N_ROUNDS = 5
N_TRAIN, N_TEST, N_CALIBRATION, BATCH_SIZE = 960, 400, 200, 32
SHARES = {"full": 1.0, "saver": 0.6, "low": 0.3}  # of the range of latencies


def make_images(n: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Noise with one of nine fields slightly brighter, ``(n, 1, 28, 28)``, and its index."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.randn(n, 1, 28, 28, generator=rng)
    labels = torch.randint(9, (n,), generator=rng)
    for image, label in zip(images, labels.tolist(), strict=True):
        y, x = divmod(label, 3)
        image[:, 9 * y : 9 * y + 9, 9 * x : 9 * x + 9] += 1
    return images, labels


def make_supernet(n_steps: int) -> tuple[Supernet, Tensor]:
    """A supernet trained for a few steps, and images for recalibration."""
    torch.manual_seed(0)
    supernet = Supernet(optuna_ofa.get_family(FAMILY))
    images, labels = make_images(N_TRAIN, seed=0)
    batches = list(zip(images.split(BATCH_SIZE), labels.split(BATCH_SIZE), strict=True))
    recipe = Sandwich(n_steps=n_steps, learning_rate=0.05)
    train(supernet, batches, recipe=recipe, settings=TrainingSettings(seed=0))
    return supernet, images[:N_CALIBRATION]


def measured_front(supernet: Supernet, calibration: Tensor, n_subnets: int) -> Front:
    """The Pareto front of some subnets by accuracy and latency, measured here."""
    space = SearchSpace(supernet.family)
    subnets = [
        space.smallest(),
        *space.from_matrix(space.sample(n_subnets - 2, seed=0)),
        space.largest(),
    ]
    matrix = space.to_matrix(subnets)
    loader = [make_images(N_TEST, seed=1)]
    found = optuna_ofa.evaluate(
        supernet,
        subnets,
        loader,
        optuna_ofa.EvaluationSettings(calibration=calibration),
        progress=False,
    )
    times = optuna_ofa.measure(
        space,
        matrix,
        optuna_ofa.MeasurementSettings(runtime=RUNTIME, n_rounds=N_ROUNDS),
        progress=False,
    )
    points = [
        FrontPoint(
            subnet,
            {"top1": float(top1), "latency_ms": float(ms)},
            {"top1": float(std)},
            "measured",
            i,
        )
        for i, (subnet, top1, std, ms) in enumerate(
            zip(subnets, found.top1, found.top1_std, times.latency_ms, strict=True)
        )
    ]
    front: list[FrontPoint] = []
    for point in sorted(points, key=lambda p: p.values["latency_ms"]):
        if not front or point.values["top1"] > front[-1].values["top1"]:
            front.append(point)
    return Front(front, ("top1", "latency_ms"))


def show_switching(switcher: SubnetSwitcher) -> None:
    """Memory, the time of a switch, and the latency of each mode."""
    both = switcher.memory_bytes(), switcher.separate_memory_bytes()
    print("one switcher has {:.2f} MB, separate models {:.2f} MB".format(*(b / 1e6 for b in both)))
    names, n = list(switcher.modes), 10_000
    seconds = timeit.timeit(lambda: [switcher.switch(name) for name in names], number=n)
    print(f"a switch takes {1e6 * seconds / n / len(names):.2f} µs")
    for name, subnet in switcher.modes.items():
        image = torch.randn(1, 1, subnet.resolution, subnet.resolution)
        switcher.switch(name)
        timer = timeit.Timer(lambda x=image: switcher(x), timer=time.process_time)
        ms = 1e3 * min(timer.repeat(5, number=10)) / 10
        print(f"  {name}: {ms:.2f} ms, {subnet}")


def main() -> None:
    """Train, measure, pick, switch, export."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("modes"))
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--subnets", type=int, default=12)
    parser.add_argument("--formats", nargs="+", choices=tuple(FORMATS), default=tuple(FORMATS))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)

    supernet, calibration = make_supernet(arguments.steps)
    front = measured_front(supernet, calibration, arguments.subnets)
    fastest, slowest = (front[i].values["latency_ms"] for i in (0, -1))
    limits = {name: fastest + share * (slowest - fastest) for name, share in SHARES.items()}
    points = front.modes(limits)
    for name, point in points.items():
        print(f"{name}, at most {limits[name]:.2f} ms: {point}")
    print(f"knee: {front.knee()}")

    modes = {name: point.subnet for name, point in points.items()}
    switcher = SubnetSwitcher(supernet, modes, calibration=calibration)
    show_switching(switcher)

    for name, point in points.items():
        switcher.switch(name)
        images = torch.randn(100, 1, point.subnet.resolution, point.subnet.resolution)
        for format in arguments.formats:
            path, start = arguments.folder / f"{name}{FORMATS[format]}", time.perf_counter()
            figures = figures_of(point, device="this CPU", runtime=RUNTIME)
            try:
                made = export(
                    supernet,
                    point.subnet,
                    path,
                    format=format,
                    calibration=calibration,
                    figures=figures,
                )
                found = compare_exported(path, switcher, images, trust=True)
            except MissingDependencyError as error:
                print(f"  {format} is skipped: {error}")
                continue
            size = sum(file["bytes"] for file in made["files"].values())
            print(
                f"  {name} as {format}: {size / 1e6:.2f} MB, logits within "
                f"{found.max_difference:.1e}, same class {found.same_top1:.0%}, "
                f"{time.perf_counter() - start:.1f} s"
            )


if __name__ == "__main__":
    main()
