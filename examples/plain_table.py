"""Search a plain table of choices: small networks, each trained on its own.

There is no supernet. Each configuration is a multilayer perceptron that is trained for a fraction
of a second on the 500 packaged training images of Fashion-MNIST. Its error on other images is
measured, and its number of weights is known beforehand. Only some have a second layer.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import optuna
import torch
from torch import nn

import optuna_ofa
from optuna_ofa import Metric, SearchSpace
from optuna_ofa.data import ImageData, packaged_images
from optuna_ofa.space import Configuration

N_CLASSES, N_PIXELS = 10, 28 * 28
SPACE = SearchSpace.of_choices(
    {
        "layers": [1, 2],
        "width": [4, 8, 16, 32, 64],
        "activation": ["relu", "tanh", "gelu"],
        "second_width": [4, 8, 16, 32],
        "normalised": [False, True],
        "learning_rate": [0.003, 0.01, 0.03],
    },
    name="perceptrons",
    active={"second_width": ("layers", [2])},
)
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def network(of: Configuration) -> nn.Sequential:
    """Return the network of a configuration."""
    widths = [N_PIXELS, of["width"], *([of["second_width"]] if "second_width" in of else [])]
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in pairwise(widths):
        layers.append(nn.Linear(n_in, n_out))
        if of["normalised"]:
            layers.append(nn.BatchNorm1d(n_out))
        layers.append(ACTIVATIONS[of["activation"]]())
    return nn.Sequential(*layers, nn.Linear(widths[-1], N_CLASSES))


def n_weights(of: Configuration) -> float:
    """Return the number of weights."""
    return float(sum(weight.numel() for weight in network(of).parameters()))


def error_of(of: Configuration, data: ImageData, n_epochs: int) -> float:
    """Train a network and return its error on the test images, in percent."""
    (images, labels), (test_images, test_labels) = data.train.tensors, data.test.tensors
    torch.manual_seed(0)
    net = network(of)
    optimizer = torch.optim.Adam(net.parameters(), lr=of["learning_rate"])
    for _ in range(n_epochs):
        for rows in torch.randperm(len(images)).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[rows]), labels[rows]).backward()
            optimizer.step()
    net.eval()
    with torch.inference_mode():
        found = net(test_images).argmax(1)
    return 100 * float((found != test_labels).float().mean())


def main() -> None:
    """Measure some configurations, and print the front."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=Path("."), help="folder of the report")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)

    data = packaged_images()
    study = optuna_ofa.study(
        SPACE,
        objectives=[
            Metric("error", unit="%", direction="minimize"),
            Metric("weights", direction="minimize", predictor=n_weights),
        ],
        learn=True,
        seed=0,
    )

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        one = SPACE.suggest(trial)
        return error_of(one, data, arguments.epochs), n_weights(one)

    study.optimize(objective, n_trials=arguments.trials)
    print(f"{len(study.trials)} of {SPACE.n_subnets} configurations were trained")
    for point in study.front():
        print(point)
    print(f"report: {study.report(arguments.folder / 'perceptrons.html')}")


if __name__ == "__main__":
    main()
