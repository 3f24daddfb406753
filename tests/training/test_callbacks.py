"""Callbacks of a training run, and runs that end before their last step."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import SearchSpace, Subnet
from optuna_ofa.supernet import Supernet, load_supernet
from optuna_ofa.training import (
    ProgressiveShrinking,
    Sandwich,
    TrainingHistory,
    TrainingSettings,
    TrainingStep,
    _callbacks,
    train,
)

Make = Callable[..., Supernet]
SHRINKING = ProgressiveShrinking(
    n_steps=12, learning_rate=0.1, shares={"depth 1": 100, "expand 1": 100}, warmup=0.5
)
SANDWICH = Sandwich(n_steps=8, learning_rate=0.1, n_random=1)


def run(net: Supernet, loader: Any, recipe: Any = SANDWICH, **options: Any) -> TrainingHistory:
    return train(net, loader, recipe=recipe, progress=False, **options)


def kernels(net: Supernet, subnets: Sequence[Subnet]) -> list[float]:
    return [float(sum(subnet.kernel)) for subnet in subnets]


def stop_at(*steps: int) -> Callable[[TrainingStep], None]:
    return lambda step: step.stop() if step.step in steps else None


def test_each_step_is_called_for(make_supernet: Make, space: SearchSpace, loader: Any) -> None:
    steps: list[TrainingStep] = []
    run(make_supernet(), loader, SHRINKING, callbacks=[steps.append])
    assert [step.step for step in steps] == list(range(1, 13))
    assert {step.n_steps for step in steps} == {12}
    phases = [phase.name for phase in SHRINKING.phases(space) for _ in range(phase.n_steps)]
    assert [step.phase for step in steps] == phases


def test_losses_are_those_of_the_history(make_supernet: Make, loader: Any) -> None:
    steps: list[TrainingStep] = []
    history = run(make_supernet(), loader, callbacks=[steps.append], evaluate_every=4)
    first, second = history.entries
    assert first.loss == np.mean([step.loss for step in steps[:4]])
    assert second.loss == np.mean([step.loss for step in steps[4:]])


def test_the_learning_rate_is_that_of_the_step(make_supernet: Make, loader: Any) -> None:
    steps: list[TrainingStep] = []
    recipe = replace(SANDWICH, n_steps=4, n_warmup_steps=1)
    run(make_supernet(), loader, recipe, callbacks=[steps.append])
    assert [step.learning_rate for step in steps] == pytest.approx([0.05, 0.1, 0.075, 0.025])


def test_accuracies_are_given_after_evaluations(make_supernet: Make, loader: Any) -> None:
    steps: list[TrainingStep] = []
    history = run(
        make_supernet(),
        loader,
        evaluate=kernels,
        evaluate_every=3,
        n_followed=2,
        callbacks=[steps.append],
    )
    assert [step.step for step in steps if step.top1] == [3, 6, 8]
    by_step = {entry.step: entry.top1 for entry in history.entries}
    names = ["smallest", "largest", "random 1", "random 2"]
    for step in steps:
        assert step.top1 == dict(zip(names, by_step.get(step.step, ()), strict=False))


def test_a_run_with_callbacks_gives_the_same_weights(make_supernet: Make, loader: Any) -> None:
    plain, called = make_supernet(), make_supernet()
    run(plain, loader)
    # random numbers of a callback are its own affair
    run(called, loader, callbacks=[lambda step: torch.rand(3)], timeout=3600.0)
    torch.testing.assert_close(called.state_dict(), plain.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [(SANDWICH, TrainingSettings()), (SHRINKING, TrainingSettings(average_decay=0.9))],
    ids=["sandwich", "shrinking-average"],
)
def test_a_stopped_run_continues_bit_for_bit(
    make_supernet: Make, loader: Any, tmp_path: Path, recipe: Any, settings: TrainingSettings
) -> None:
    options: dict[str, Any] = {
        "settings": settings, "evaluate": kernels, "evaluate_every": 5,
    }  # fmt: skip
    whole, stopped, log = make_supernet(), make_supernet(), list[int]()
    expected = run(whole, loader, recipe, **options)
    options |= {"checkpoint": tmp_path / "run.pt"}
    for at in (3, 6):
        first = run(
            stopped,
            loader,
            recipe,
            callbacks=[lambda step: log.append(step.step), stop_at(at)],
            **options,
        )
        assert first.stopped == "callback"
        assert log[-1] == at
        assert [e.step for e in first.entries] == [e.step for e in expected.entries if e.step <= at]
        weights = load_supernet(tmp_path / "run.pt").state_dict()
        torch.testing.assert_close(stopped.state_dict(), weights, rtol=0, atol=0)
        stopped = make_supernet()  # as a new process has it
    found = run(stopped, loader, recipe, callbacks=[lambda step: log.append(step.step)], **options)
    assert found == expected
    assert found.stopped is None
    assert log == list(range(1, recipe.n_steps + 1))
    torch.testing.assert_close(stopped.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_all_callbacks_are_called_for_the_last_step(make_supernet: Make, loader: Any) -> None:
    log: list[int] = []
    history = run(
        make_supernet(), loader, callbacks=[stop_at(2), lambda step: log.append(step.step)]
    )
    assert history.stopped == "callback"
    assert log == [1, 2]


def test_a_run_cannot_be_stopped_after_its_last_step(make_supernet: Make, loader: Any) -> None:
    assert run(make_supernet(), loader, callbacks=[stop_at(8)]).stopped is None


def test_a_finished_run_calls_nothing(make_supernet: Make, loader: Any, tmp_path: Path) -> None:
    log: list[int] = []
    run(make_supernet(), loader, checkpoint=tmp_path / "run.pt")
    again = run(
        make_supernet(),
        loader,
        checkpoint=tmp_path / "run.pt",
        callbacks=[lambda step: log.append(step.step)],
        timeout=1e-9,
    )
    assert again.stopped is None
    assert again.entries
    assert log == []


def test_a_timeout_ends_a_run(
    make_supernet: Make, loader: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, net, log, path = make_supernet(), make_supernet(), list[int](), tmp_path / "run.pt"
    run(whole, loader)
    clock = SimpleNamespace(monotonic=lambda: 100.0 + len(log))  # a second a step
    monkeypatch.setattr(_callbacks, "time", clock)
    history = run(
        net, loader, checkpoint=path, callbacks=[lambda step: log.append(step.step)], timeout=2.5
    )
    assert history.stopped == "timeout"
    assert log == [1, 2, 3]
    run(net, loader, checkpoint=path)
    torch.testing.assert_close(net.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_each_call_does_a_step(make_supernet: Make, loader: Any, tmp_path: Path) -> None:
    whole, net, n = make_supernet(), make_supernet(), 1
    recipe, path = replace(SANDWICH, n_steps=3), tmp_path / "run.pt"
    run(whole, loader, recipe)
    while run(net, loader, recipe, checkpoint=path, timeout=1e-9).stopped == "timeout":
        n += 1
    assert n == 3
    torch.testing.assert_close(net.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_an_error_of_a_callback_ends_the_run(
    make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    whole, net, path = make_supernet(), make_supernet(), tmp_path / "run.pt"
    run(whole, loader)

    def fail(step: TrainingStep) -> None:
        if step.step == 6:
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run(net, loader, callbacks=[fail], checkpoint=path, checkpoint_every=3)
    assert torch.load(path, weights_only=True)["step"] == 6
    run(net, loader, checkpoint=path, checkpoint_every=3)
    torch.testing.assert_close(net.state_dict(), whole.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "`timeout` must be a positive number or None, but got 0"),
        ({"timeout": -1.0}, "`timeout` must be a positive number or None, but got -1"),
        ({"timeout": float("nan")}, "`timeout` must be a positive number or None, but got nan"),
        ({"callbacks": print}, "`callbacks` must be an iterable"),
        ({"callbacks": [1]}, r"`callbacks\[0\]` must be a function of 1 argument, but got 1"),
        ({"callbacks": [lambda: 1]}, r"`callbacks\[0\]` must be a function of 1 argument, but got"),
        ({"callbacks": [list]}, r"`callbacks\[0\]` must be a function of 1 argument, but got"),
    ],
)
def test_wrong_arguments_are_refused_before_any_step(
    make_supernet: Make, loader: Any, options: dict[str, Any], message: str
) -> None:
    net = make_supernet()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(InvalidArgumentError, match=message):
        run(net, loader, **options)
    torch.testing.assert_close(net.state_dict(), before, rtol=0, atol=0)


SCRIPT = """
import json
from types import SimpleNamespace
import torch
import torch.distributed as dist
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import Sandwich, _callbacks, train

torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{out}.group", rank=rank, world_size=2)
generator = torch.Generator().manual_seed(1)
batches = [(torch.randn(8, 1, 8, 8, generator=generator), torch.arange(8) % 4) for _ in range(8)]
torch.manual_seed(0)
family = mobilenet_v3_small_images("tiny", width=0.5, n_classes=4, in_channels=1, resolutions=(8,))
calls = []


def call(step):
    calls.append(step.step)
    if action == "stop" and step.step == 3:
        step.stop()
    if action == "fail" and step.step == 3:
        raise ValueError("mine")


def run(**options):
    net = Supernet(family)
    try:
        history = train(
            net, batches[rank::2], recipe=Sandwich(n_steps=6, learning_rate=0.1, n_random=0),
            progress=False, **options
        )
    except ValueError as error:
        return net, f"{error}"
    return net, history.stopped


state = torch.random.get_rng_state()
whole, _ = run()
torch.random.set_rng_state(state)
first = {"callbacks": [call]} if rank == 0 else {}  # as loggers are often given
if action == "wait":
    _callbacks.time = SimpleNamespace(monotonic=lambda: 100.0 + len(calls))  # a second a step
    first["timeout"] = 2.5 if rank == 0 else 0.5  # the first process's is used
found, ending = run(checkpoint=f"{out}.pt", checkpoint_every=3, **first)
step = torch.load(f"{out}.pt")["step"]
dist.barrier()
again, _ = run(checkpoint=f"{out}.pt", checkpoint_every=3)
same = all(torch.equal(a, b) for a, b in zip(again.parameters(), whole.parameters()))
with open(f"{out}.{rank}", "w") as file:
    json.dump([ending, calls, step, same], file)
dist.destroy_process_group()
"""


@pytest.mark.parametrize(
    ("action", "ending"), [("stop", "callback"), ("wait", "timeout"), ("fail", "mine")]
)
def test_processes_stop_at_the_same_step(
    tmp_path: Path, processes: Any, action: str, ending: str
) -> None:
    names = {"out": str(tmp_path / "run"), "action": action}
    processes.finish(*(processes.start(SCRIPT, rank=rank, **names) for rank in range(2)))
    first, second = (json.loads((tmp_path / f"run.{rank}").read_text()) for rank in range(2))
    assert first[:2] == [ending, [1, 2, 3]]
    assert second[:2] == [ending, []]
    assert first[2:] == second[2:] == [3, True]
