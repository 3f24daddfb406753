"""BoTorch's qLogNEHVI on listed networks: a default process of each quantity, batches of five."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from _listed_runs import Tape
from botorch import fit_gpytorch_mll
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.models import ModelListGP, SingleTaskGP
from botorch.optim import optimize_acqf_discrete
from botorch.sampling import SobolQMCNormalSampler
from botorch.utils.multi_objective.hypervolume import infer_reference_point
from botorch.utils.multi_objective.pareto import is_non_dominated
from gpytorch.mlls import SumMarginalLogLikelihood

N_RANDOM, N_BATCH, N_SAMPLES = 20, 5, 128


def search(tape: Tape, seed: int) -> None:
    """Search until the tape has enough: random networks, then the best of all others each time."""
    warnings.simplefilter("ignore")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    inputs = torch.tensor(_one_hot(tape), dtype=torch.double)
    values = torch.tensor(-tape.listed.costs(logarithms=True), dtype=torch.double)  # maximised
    for place in rng.permutation(len(inputs))[:N_RANDOM].tolist():
        tape.measure(place)
    while True:
        for place in _batch(inputs, values, tape.places, seed):
            tape.measure(place)


def _batch(inputs: torch.Tensor, values: torch.Tensor, places: list[int], seed: int) -> list[int]:
    known, targets = inputs[places], values[places]
    model = ModelListGP(*[SingleTaskGP(known, column[:, None]) for column in targets.T])
    fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
    acquisition = qLogNoisyExpectedHypervolumeImprovement(
        model,
        infer_reference_point(targets[is_non_dominated(targets)]),
        known,
        sampler=SobolQMCNormalSampler(torch.Size([N_SAMPLES]), seed=seed),
        prune_baseline=True,
        cache_root=True,
    )
    left = np.setdiff1d(np.arange(len(inputs)), places)
    chosen, _ = optimize_acqf_discrete(acquisition, N_BATCH, inputs[left], max_batch_size=128)
    found: list[int] = []
    for row in chosen:
        (same,) = np.nonzero((inputs[left] == row).all(dim=1).numpy())
        found.append(int(left[same[0]]))
    return found


def _one_hot(tape: Tape) -> np.ndarray:
    """A column for each value of each parameter."""
    columns = [
        tape.listed.matrix[:, j : j + 1] == np.arange(len(values))
        for j, values in enumerate(tape.listed.choices.values())
    ]
    return np.concatenate(columns, axis=1).astype(float)
