"""A supernet without training: subnets fitted to a pretrained EfficientNet-Lite0, beside slices.

    python benchmarks/calibrating.py --storage sqlite:///runs/calibrating.db

The smaller choices of each block are fitted by least squares on 160 images
(`optuna_ofa.pretrained.calibrate`); the others test. Beside them are slices: the channels with the
largest L1 norms, and the centres of the kernels. Batch normalisation is recalibrated on the same
160 images. Accuracies are kept, so an interrupted run goes on.
"""

from __future__ import annotations

import numpy as np
import torch
from _head import print_head
from _imagenet_samples import PIXELS, read_samples
from cutting import FAMILY, N_CALIBRATION, STARTS, packaged_weights, parser_of, supernet_of

import optuna_ofa
from optuna_ofa import EvaluationSettings, SearchSpace, Subnet

# top-1 in percent on the 840 images: of slices, and required of the fit
BARS = {
    "5 sixths of the widths": (68.7, 79.6),
    "4 sixths of the widths": (37.7, 61.1),
    "3 sixths of the widths": (6.1, 33.6),
    "all kernels 3x3": (54.0, 70.0),
}


def cut_subnets(space: SearchSpace, n_random: int) -> dict[str, Subnet]:
    """The subnets of the bars and random ones, all at the network's own resolution."""
    own = SearchSpace(space.family, resolution=PIXELS)
    cuts = [own.subnet(expand=5), own.subnet(expand=4), own.subnet(expand=3), own.subnet(kernel=3)]
    drawn = own.from_matrix(own.sample(n_random, seed=0)) if n_random else []
    return dict(zip(BARS, cuts, strict=True)) | {
        f"random {i}": subnet for i, subnet in enumerate(drawn) if isinstance(subnet, Subnet)
    }


def main() -> None:
    """Evaluate both, and print a row for each subnet and the medians of the random ones."""
    parser = parser_of(__doc__)
    parser.add_argument("--random", type=int, default=50, help="random subnets")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print_head()
    samples = read_samples(arguments.images)
    images = samples.calibration(N_CALIBRATION)
    data = samples.batches(N_CALIBRATION, arguments.every)
    print(f"seed 0: {N_CALIBRATION} images to fit to, {sum(len(y) for _, y in data)} to test")
    weights = arguments.weights or packaged_weights()
    starts = {start: supernet_of(start, weights, samples) for start in STARTS}
    subnets = cut_subnets(SearchSpace(FAMILY), arguments.random)
    top1 = {
        name: optuna_ofa.evaluate(
            supernet,
            list(subnets.values()),
            data,
            EvaluationSettings(calibration=images),
            storage=arguments.storage,
        ).top1
        for name, supernet in starts.items()
    }
    print("sliced, calibrated (trial, bar), in percent")
    for i, name in enumerate(subnets):
        bars = "({:.1f}, {:.1f})".format(*BARS[name]) if name in BARS else ""
        print(f"{top1['sliced'][i]:6.1f} {top1['calibrated'][i]:6.1f} {bars}  {name}", flush=True)
    if arguments.random:
        medians = {name: np.median(values[len(BARS) :]) for name, values in top1.items()}
        print(f"medians of random subnets: {medians['sliced']:.1f}, {medians['calibrated']:.1f}")


if __name__ == "__main__":
    main()
