"""Estimates from some of the images, and which subnets need no more of them."""

from __future__ import annotations

import moocore
import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.evaluation._estimate import Estimate, estimate, shrunk
from optuna_ofa.evaluation._sampling import Sampling, disagreement
from optuna_ofa.evaluation._stopping import dominated, superfluous

N_IMAGES, N_SUBNETS, N_FIRST = 4_000, 40, 4
Array = NDArray[np.float64]


def simulated(seed: int) -> tuple[NDArray[np.float32], Array]:
    """Margins ``(m, n)`` of subnets whose accuracy grows with their cost, and costs ``(m, 1)``."""
    rng = np.random.default_rng(seed)
    costs = np.sort(rng.random(N_SUBNETS))
    ability = 0.6 * costs + 0.15 * rng.standard_normal(N_SUBNETS)
    easiness = 2 + 1.6 * rng.standard_normal(N_IMAGES)
    noise = 0.5 * rng.standard_normal((N_SUBNETS, N_IMAGES))
    return (easiness + ability[:, None] + noise).astype(np.float32), costs[:, None]


class Sample:
    """The answers of simulated subnets on the first images, and what is true of all images."""

    def __init__(self, seed: int, n: int) -> None:
        margins, self.costs = simulated(seed)
        first = np.linspace(0, N_SUBNETS - 1, N_FIRST).round().astype(int)
        self.sampling = Sampling(disagreement(margins[first]))
        self.top1 = 100 * (margins > 0).mean(axis=1)
        known = np.full(N_SUBNETS, np.nan)
        known[first] = self.top1[first]
        self.kept = ~np.isnan(known)
        right = (margins > 0)[:, self.sampling.places[:n]]
        self.found = estimate(right, self.sampling, known)


@pytest.mark.parametrize("n", [200, 1000])
def test_estimates_are_unbiased_and_know_their_errors(n: int) -> None:
    samples = [Sample(seed, n) for seed in range(20)]
    errors = np.array([(s.found.top1 - s.top1)[~s.kept] for s in samples])
    z = errors / np.array([s.found.std[~s.kept] for s in samples])
    assert abs(errors.mean()) < 0.1
    assert 0.6 < np.sqrt((z**2).mean()) < 1.15
    # much better than as many random images
    assert errors.std() < 0.5 * 100 * np.sqrt(0.1 * 0.9 / n)


def test_known_accuracies_are_not_changed() -> None:
    sample = Sample(0, 200)
    np.testing.assert_array_equal(sample.found.top1[sample.kept], sample.top1[sample.kept])
    assert (sample.found.std[sample.kept] == 0).all()
    likely = shrunk(sample.found, sample.costs)
    np.testing.assert_allclose(likely.top1[sample.kept], sample.top1[sample.kept], atol=1e-6)


def test_all_images_give_the_accuracy() -> None:
    margins, _ = simulated(3)
    sampling = Sampling(disagreement(margins[:4]))
    found = estimate((margins > 0)[:, sampling.places], sampling, np.full(N_SUBNETS, np.nan))
    np.testing.assert_allclose(found.top1, 100 * (margins > 0).mean(axis=1))
    np.testing.assert_allclose(found.std, 0, atol=1e-6)


def test_probabilities_add_up_and_grow() -> None:
    sampling = Sampling(disagreement(simulated(0)[0][:4]))
    before = np.zeros(N_IMAGES)
    for n in (1, 50, 500, 3_000, N_IMAGES):
        now = sampling.probabilities(n)
        assert now.sum() == pytest.approx(n)
        assert (now >= before - 1e-12).all()
        assert now.max() <= 1
        before = now
    assert sorted(sampling.places.tolist()) == list(range(N_IMAGES))


def test_subnets_that_none_dominates_seldom_stop() -> None:
    wrong = stopped = n_free = 0
    for seed in range(60):
        sample = Sample(1000 + seed, 800)
        stops = dominated(sample.found, sample.costs, 0.05)
        free = np.array([sample.top1[:i].max(initial=0) <= sample.top1[i] for i in range(40)])
        wrong += int((stops & free).sum())
        n_free += int(free.sum())
        stopped += int(stops.sum())
    assert wrong <= 0.05 * n_free
    assert stopped > 300  # of 2,400


def test_the_rest_has_the_expected_hypervolume() -> None:
    shares, n_left = [], []
    for seed in range(40):
        sample = Sample(2000 + seed, 800)
        likely = shrunk(sample.found, sample.costs)
        stops = superfluous(likely, sample.costs, sample.kept, 0.005)
        assert not (stops & sample.kept).any()
        shares.append(volume(sample, ~stops) / volume(sample, np.ones(N_SUBNETS, dtype=bool)))
        n_left.append(int((~stops).sum()))
    assert np.mean(shares) > 0.99
    assert np.mean(n_left) < N_SUBNETS / 2


def volume(sample: Sample, which: NDArray[np.bool_]) -> float:
    """The hypervolume of the true front of some subnets."""
    points = np.column_stack([sample.costs[which, 0], -sample.top1[which]])
    least = sample.top1.min() - 0.1 * np.ptp(sample.top1)
    return float(moocore.hypervolume(points, ref=[1.1, -least]))


@pytest.mark.parametrize("k", [0, 1, 2])
def test_any_number_of_costs(k: int) -> None:
    top1 = np.array([90.0, 91.0, 92.0, 90.5])
    costs = np.array([[1.0, 4.0], [2.0, 3.0], [3.0, 2.0], [4.0, 4.0]])[:, :k]
    found = Estimate(top1, 1e-4 * np.eye(4))
    stops = superfluous(found, costs, np.zeros(4, dtype=bool), 0.001)
    expected = {0: [1, 1, 0, 1], 1: [0, 0, 0, 1], 2: [0, 0, 0, 1]}[k]
    assert stops.astype(int).tolist() == expected
    assert dominated(found, costs, 0.01).astype(int).tolist() == expected


def test_equal_subnets_do_not_stop_each_other() -> None:
    found = Estimate(np.array([90.0, 90.0]), np.zeros((2, 2)))
    assert not dominated(found, np.zeros((2, 1)), 0.01).any()
    stops = superfluous(found, np.zeros((2, 1)), np.zeros(2, dtype=bool), 0.0)
    assert stops.sum() == 1  # one of them is the front
