"""Optimisers and schedulers of the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, Adafactor, Adam, AdamW
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from torch.utils.data import TensorDataset

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Subnet
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import ProgressiveShrinking, Sandwich, TrainingSettings, train
from optuna_ofa.training._optimiser import Optimiser
from optuna_ofa.training._recipe import Phase
from optuna_ofa.training._schedule import Schedule, learning_rate

Make = Callable[..., Supernet]
SANDWICH = Sandwich(n_steps=8, learning_rate=0.1, n_random=0, n_warmup_steps=2)
SHRINKING = ProgressiveShrinking(
    n_steps=12, learning_rate=0.1, shares={"depth 1": 100, "expand 1": 100}
)
ADAMW = partial(AdamW, lr=0.01, weight_decay=0.05)


@pytest.fixture
def loader(dataset: TensorDataset) -> list[tuple[Tensor, ...]]:
    """Two small batches an epoch."""
    return [dataset[:8], dataset[8:16]]


class StoppedError(Exception):
    """A run was stopped."""


def train_on(net: Supernet, loader: Any, settings: TrainingSettings, **options: Any) -> None:
    options.setdefault("recipe", SANDWICH)
    train(net, loader, settings=settings, progress=False, n_followed=0, **options)


def stop_before(call: int) -> Callable[..., list[float]]:
    """An evaluation that stops the run when it is called for the ``call``-th time."""
    calls: list[int] = []

    def evaluate(net: Supernet, subnets: Sequence[Subnet]) -> list[float]:
        calls.append(1)
        if len(calls) == call:
            raise StoppedError
        return [0.0] * len(subnets)

    return evaluate


class Watched:
    """Factories of AdamW and a scheduler that keep what they make, and the rates of all steps."""

    def __init__(self, scheduler: Callable[..., Any] | None = None, lr: float = 0.01) -> None:
        self.rates: list[float] = []
        self.made: list[tuple[list[Any], int]] = []
        self._scheduler, self._lr = scheduler, lr

    def optimizer(self, parameters: list[dict[str, Any]]) -> AdamW:
        made = AdamW(parameters, lr=self._lr)
        made.register_step_pre_hook(lambda o, *_: self.rates.append(o.param_groups[0]["lr"]))
        return made

    def scheduler(self, optimizer: torch.optim.Optimizer, n_steps: int) -> Any:
        assert self._scheduler is not None
        self.made.append((optimizer.param_groups, n_steps))
        return self._scheduler(optimizer, n_steps)

    @property
    def settings(self) -> TrainingSettings:
        scheduler = None if self._scheduler is None else self.scheduler
        return TrainingSettings(optimizer=self.optimizer, scheduler=scheduler)


def test_an_optimizer_of_the_user_is_that_of_torch(make_supernet: Make, loader: Any) -> None:
    net = make_supernet()
    kept: list[AdamW] = []

    def optimizer(parameters: list[dict[str, Any]]) -> AdamW:
        kept.append(ADAMW(parameters))
        return kept[-1]

    train_on(net, loader, TrainingSettings(optimizer=optimizer))
    made = kept[-1]
    decaying, others = made.param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.05, 0.0)
    assert all(p.ndim > 1 for p in decaying["params"])
    assert all(p.ndim == 1 for p in others["params"])
    assert {p.data_ptr() for g in made.param_groups for p in g["params"]} == {
        p.data_ptr() for p in net.parameters()
    }
    assert all("step" in made.state[p] for p in decaying["params"][:1])


def test_the_default_is_sgd_with_nesterov_momentum(make_supernet: Make, loader: Any) -> None:
    default, given = make_supernet(), make_supernet()
    recipe = replace(SANDWICH, learning_rate=0.125)  # factors are exact
    train_on(default, loader, TrainingSettings(), recipe=recipe)
    optimizer = partial(SGD, lr=0.125, momentum=0.9, nesterov=True, weight_decay=3e-5)
    train_on(given, loader, TrainingSettings(optimizer=optimizer), recipe=recipe)
    torch.testing.assert_close(given.state_dict(), default.state_dict(), rtol=0, atol=0)


def test_rates_of_an_optimizer_follow_the_recipe(make_supernet: Make, loader: Any) -> None:
    watched = Watched()
    train_on(make_supernet(), loader, watched.settings)
    (phase,) = SANDWICH.phases(None)
    assert watched.rates == pytest.approx([learning_rate(0.01, phase, i) for i in range(8)])


def test_phases_have_rates_relative_to_the_highest(make_supernet: Make, loader: Any) -> None:
    watched = Watched(lambda optimizer, n_steps: ConstantLR(optimizer, 1.0))
    train_on(make_supernet(), loader, watched.settings, recipe=SHRINKING)
    relative = [1, 0.37, 0.031, 0.092, 0.031, 0.092]
    lengths = [n for _, n in watched.made[-6:]]
    assert sum(lengths) == 12
    expected = [0.01 * r for r, n in zip(relative, lengths, strict=True) for _ in range(n)]
    assert watched.rates == pytest.approx(expected)


def warm_up(optimizer: torch.optim.Optimizer, n_steps: int) -> SequentialLR:
    rise, fall = LinearLR(optimizer, 0.1, total_iters=2), CosineAnnealingLR(optimizer, n_steps - 2)
    return SequentialLR(optimizer, [rise, fall], [2])


SCHEDULERS: dict[str, Callable[..., Any]] = {
    "class": CosineAnnealingLR,
    "one-cycle": lambda optimizer, n: OneCycleLR(optimizer, 0.02, total_steps=n),
    "steps": lambda optimizer, n: StepLR(optimizer, 3),
    "sequence": warm_up,
}


@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
def test_a_scheduler_is_stepped_after_each_step(
    scheduler: Callable[..., Any], make_supernet: Make, loader: Any
) -> None:
    watched = Watched(scheduler)
    train_on(make_supernet(), loader, watched.settings)
    plain = AdamW(nn.Linear(1, 1).parameters(), lr=0.01)
    beside, expected = scheduler(plain, 8), []
    for _ in range(8):
        expected.append(plain.param_groups[0]["lr"])
        plain.step()
        beside.step()
    assert watched.rates == pytest.approx(expected)


@pytest.mark.parametrize(
    "settings",
    [
        TrainingSettings(optimizer=ADAMW, average_decay=0.9),
        TrainingSettings(optimizer=Adafactor),
        TrainingSettings(optimizer=ADAMW, scheduler=warm_up),
        TrainingSettings(scheduler=SCHEDULERS["one-cycle"]),
    ],
    ids=["adamw", "rows-and-columns", "scheduler", "scheduler-alone"],
)
def test_a_run_that_goes_on_gives_the_same_weights(
    settings: TrainingSettings, make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    whole, first, second = (make_supernet() for _ in range(3))
    options = {"recipe": replace(SANDWICH, n_steps=5), "evaluate_every": 1, "checkpoint_every": 1}
    train_on(whole, loader, settings, **options)
    options["checkpoint"] = tmp_path / "run.pt"
    with pytest.raises(StoppedError):
        train_on(first, loader, settings, evaluate=stop_before(4), **options)
    assert torch.load(options["checkpoint"], weights_only=True)["step"] == 3
    train_on(second, loader, settings, **options)
    torch.testing.assert_close(second.state_dict(), whole.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            TrainingSettings(optimizer=Adam),
            r"`settings\.optimizer` .* written, .*AdamW, but .*Adam",
        ),
        (TrainingSettings(), r"`settings\.optimizer` .* written, .*AdamW, but got .*SGD"),
        (
            TrainingSettings(optimizer=partial(AdamW, lr=0.02, weight_decay=0.05)),
            r"`settings\.optimizer` and .* written, lr .*, but got ",
        ),
        (
            TrainingSettings(optimizer=partial(AdamW, lr=0.01)),
            r"`settings\.optimizer` and .* written, weight_decay 0\.05, but got 0\.01",
        ),
        (
            TrainingSettings(optimizer=ADAMW, scheduler=CosineAnnealingLR),
            r"`settings\.scheduler` .* written, None, but got .*CosineAnnealingLR",
        ),
    ],
    ids=["class", "default", "rate", "decay", "scheduler"],
)
def test_a_checkpoint_of_another_optimizer_is_refused(
    settings: TrainingSettings, message: str, make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    options = {"recipe": replace(SANDWICH, n_steps=3), "checkpoint": tmp_path / "run.pt"}
    train_on(make_supernet(), loader, TrainingSettings(optimizer=ADAMW), **options)
    with pytest.raises(InvalidArgumentError, match=message):
        train_on(make_supernet(), loader, settings, **options)


def test_the_same_factory_written_again_is_no_other(
    make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    options = {"recipe": replace(SANDWICH, n_steps=3), "checkpoint": tmp_path / "run.pt"}
    one, two = (make_supernet() for _ in range(2))
    train_on(one, loader, TrainingSettings(optimizer=lambda p: ADAMW(p)), **options)
    train_on(two, loader, TrainingSettings(optimizer=lambda p: ADAMW(p)), **options)
    torch.testing.assert_close(two.state_dict(), one.state_dict(), rtol=0, atol=0)


class Counting(SGD):
    """An optimiser that counts its steps in its groups, as Lookahead and Prodigy do."""

    def __init__(self, parameters: Any, lr: float = 0.1, k: int = 0) -> None:
        super().__init__(parameters, lr=lr)
        for group in self.param_groups:
            group["k"] = k

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["k"] += 1
            for parameter in (p for p in group["params"] if p.grad is not None):
                parameter.grad *= group["k"]
        return super().step(closure)


def falling(optimizer: torch.optim.Optimizer, n_steps: int) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: 1 / (1 + step))


@pytest.mark.parametrize("scheduler", [None, falling], ids=["recipe", "scheduler"])
def test_what_an_optimizer_keeps_in_its_groups_is_restored(
    scheduler: Any, make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    whole, first, second = (make_supernet() for _ in range(3))
    settings = TrainingSettings(optimizer=Counting, scheduler=scheduler)
    options: dict[str, Any] = {
        "recipe": replace(SANDWICH, n_steps=5),
        "evaluate_every": 1,
        "checkpoint_every": 1,
    }
    train_on(whole, loader, settings, **options)
    options["checkpoint"] = tmp_path / "run.pt"
    with pytest.raises(StoppedError):
        train_on(first, loader, settings, evaluate=stop_before(4), **options)
    other = TrainingSettings(optimizer=partial(Counting, k=1), scheduler=scheduler)
    with pytest.raises(InvalidArgumentError, match=r"`settings\.optimizer` .* k 0, but got 1"):
        train_on(second, loader, other, **options)
    train_on(second, loader, settings, **options)
    torch.testing.assert_close(second.state_dict(), whole.state_dict(), rtol=0, atol=0)


class Demanding(SGD):
    """An optimiser whose step needs a function, as that of L-BFGS."""

    def step(self, closure: Any) -> Any:  # type: ignore[override]
        return super().step(closure)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": lambda p: p}, r"`settings\.optimizer` must return .* returned a list"),
        (
            {"optimizer": lambda p: AdamW(nn.Linear(1, 1).parameters())},
            r"`settings\.optimizer` must return an optimizer of the parameters",
        ),
        ({"optimizer": Demanding}, r"`settings\.optimizer` .* whose `step` needs no argument"),
        (
            {"optimizer": LBFGS},
            r"`settings\.optimizer` must return .* but raised ValueError: LBFGS doesn't support",
        ),
        ({"scheduler": lambda o, n: n}, r"`settings\.scheduler` must return .* returned a int"),
        (
            {"scheduler": lambda o, n: ReduceLROnPlateau(o)},
            r"`settings\.scheduler` .* needs no metric, but returned a ReduceLROnPlateau",
        ),
        (
            {"scheduler": ReduceLROnPlateau},
            r"`settings\.scheduler` .* needs no metric, but is ReduceLROnPlateau",
        ),
        (
            {"scheduler": lambda o, n: ConstantLR(SGD(nn.Linear(1, 1).parameters()))},
            r"`settings\.scheduler` must return a scheduler of the optimizer that",
        ),
        (
            {"scheduler": OneCycleLR},
            r"`settings\.scheduler` must return .* but raised ValueError: .*total_steps",
        ),
        (
            {"scheduler": lambda o, n: OneCycleLR(o, 0.1, total_steps=n - 2)},
            r"`settings\.scheduler` .* the 8 steps of phase 'sandwich', but after step 7 it raised "
            r"ValueError: Tried to step",
        ),
    ],
    ids=[
        "no-optimizer",
        "other-parameters",
        "closure",
        "groups",
        "no-scheduler",
        "plateau",
        "plateau-class",
        "other-optimizer",
        "options",
        "too-short",
    ],
)
def test_what_factories_must_not_return_is_refused(
    settings: dict[str, Any], message: str, make_supernet: Make
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        train_on(make_supernet(), [], TrainingSettings(**settings))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": nn.Linear}, "`optimizer` must be a function of 1 argument, or a subclass"),
        ({"optimizer": lambda: None}, "`optimizer` must be a function of 1 argument"),
        ({"scheduler": lambda o: None}, "`scheduler` must be a function of 2 arguments"),
        ({"optimizer": Adam, "momentum": 0.8}, "`momentum` must be left out beside `optimizer`"),
        ({"optimizer": Adam, "weight_decay": 0.1}, "`weight_decay` must be left out beside"),
    ],
    ids=["class", "no-argument", "one-argument", "momentum", "decay"],
)
def test_settings_that_contradict_factories_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        TrainingSettings(**changes)


def test_a_rate_in_a_tensor_is_changed_in_place(make_supernet: Make) -> None:
    settings = TrainingSettings(optimizer=lambda p: AdamW(p, lr=torch.tensor(0.5)))
    schedule = Schedule([Phase("only", 4, 0.1)])
    optimiser = Optimiser(make_supernet(), settings, schedule, 0, done=3)
    optimiser.prepare()
    rate = optimiser.torch.param_groups[0]["lr"]
    assert isinstance(rate, torch.Tensor)
    assert optimiser.learning_rate == pytest.approx(learning_rate(0.5, schedule.phases[0], 3))
