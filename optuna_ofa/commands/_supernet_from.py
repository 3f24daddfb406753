"""The command that makes a supernet of a pretrained network."""

from __future__ import annotations

import argparse

from optuna_ofa.commands._command import Arguments, Command, Output, load
from optuna_ofa.commands._images import read_images
from optuna_ofa.commands._parser import positive


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "weights", help="state dict of the network: a file of torch.save, or .safetensors"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="checkpoint to write, .pth")
    parser.add_argument(
        "--family",
        help="the family whose largest subnet the network is, or a file that holds it (default: "
        "the known family that the keys and shapes fit)",
    )
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        help="training images as an array (n, channels, size, size), normalised, in a .npy file, "
        "to which smaller subnets are fitted; without them they are slices of the network",
    )
    parser.add_argument(
        "--n-classes", type=positive, metavar="N", help="replace the classifier by one of N classes"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of a new classifier (default: 0)"
    )


def _run(arguments: Arguments) -> Output:
    from optuna_ofa.commands import _places

    _places.require_file(arguments["out"], "out", (".pth", ".pt"))
    load("pretrained")
    from optuna_ofa.pretrained import supernet_from
    from optuna_ofa.supernet import save_supernet

    file = arguments["calibration"]
    supernet = supernet_from(
        arguments["weights"],
        arguments["family"],
        calibration=None if file is None else read_images(file, "calibration"),
        n_classes=arguments["n_classes"],
        seed=arguments["seed"],
    )
    save_supernet(supernet, arguments["out"])
    name, how = supernet.family.name, "slices of it" if file is None else "fitted to it"
    text = f"{arguments['weights']} is the largest subnet of {name}; smaller ones are {how}"
    data = {"supernet": name, "out": arguments["out"], "is_calibrated": file is not None}
    return Output(f"{text}\nwritten to {arguments['out']}", data)


SUPERNET_FROM = Command(
    "supernet-from",
    "make a supernet of a pretrained network",
    """\
  of a network whose family is known by its keys, fitted to images of its training set:
    optuna-ofa supernet-from weights.pth --calibration images.npy --out supernet.pth
  with a new classifier, to be trained:
    optuna-ofa supernet-from weights.pth --family efficientnet_lite0 --n-classes 10 \\
        --out supernet.pth
""",
    _add_arguments,
    _run,
)
