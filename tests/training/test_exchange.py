"""Processes wait for each other's work, and all of them stop if one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from optuna_ofa.training import _exchange
from optuna_ofa.training._exchange import Exchange

SCRIPT = """
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import Sandwich, _loop, train

torch.set_num_threads(1)
dist.init_process_group(
    "gloo",
    init_method=f"file://{folder}/group",
    rank=rank,
    world_size=n,
    timeout=timedelta(seconds=timeout),
)
family = mobilenet_v3_small_images(
    "tiny", width=0.5, n_classes=4, in_channels=1, resolutions=(8, 12)
)
images, labels = torch.randn(8, 1, 12, 12), torch.randint(4, (8,))
loader = [(images, labels)]
recipe = Sandwich(n_steps=4, n_random=0)
options = {
    "checkpoint": f"{folder}/run.pt",
    "checkpoint_every": 1,
    "n_followed": 1,
    "progress": False,
}


def evaluate(net, subnets):
    return [float(subnet.resolution) for subnet in subnets]
"""

SLOW = """
write = _loop.write_checkpoint


def slowly_write(path, state, run):
    if state.step == 3:
        time.sleep(1.6 * timeout)
    write(path, state, run)


def slowly_evaluate(net, subnets):
    if rank == 1:
        time.sleep(1.6 * timeout)
    return evaluate(net, subnets)


_loop.write_checkpoint = slowly_write
history = train(Supernet(family), loader, recipe=recipe, evaluate=slowly_evaluate, **options)
assert [e.top1 for e in history.entries] == [tuple(s.resolution for s in history.subnets)]
dist.destroy_process_group()
"""

FAILING = """
def run():
    train(Supernet(family), loader, recipe=recipe, evaluate=evaluate, **options)


try:
    exec(failing)
    run()
except Exception as error:
    notes = getattr(error, "__notes__", [])
    Path(f"{folder}/{rank}.txt").write_text("|".join([type(error).__name__, str(error), *notes]))
# an exit would close the connections, which is an error for those that still wait
while not all(Path(f"{folder}/{i}.txt").exists() for i in range(n)):
    time.sleep(0.01)
"""


def test_no_process_waits_in_vain_for_the_work_of_one(tmp_path: Path, processes: Any) -> None:
    names = {"folder": tmp_path, "n": 2, "timeout": 5}
    processes.finish(*(processes.start(SCRIPT + SLOW, rank=rank, **names) for rank in range(2)))


def test_more_processes_than_subnets(tmp_path: Path, processes: Any) -> None:
    names = {"folder": tmp_path, "n": 4, "timeout": 60}
    processes.finish(*(processes.start(SCRIPT + EVALUATED, rank=r, **names) for r in range(4)))


EVALUATED = """
shares = []
history = train(
    Supernet(family),
    loader,
    recipe=recipe,
    evaluate=lambda net, subnets: shares.append(subnets) or evaluate(net, subnets),
    **options,
)
assert [e.top1 for e in history.entries] == [tuple(s.resolution for s in history.subnets)]
assert shares == ([history.subnets[rank : rank + 1]] if rank < 3 else [])
dist.destroy_process_group()
"""

EVALUATION = """
def evaluate(net, subnets):
    if rank == 1:
        raise KeyError("no such image")
    return [0.0] * len(subnets)
"""

UNPICKLABLE = """
class OddError(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def evaluate(net, subnets):
    if rank == 1:
        raise OddError("this", "that")
    return [0.0] * len(subnets)
"""

LABEL = """
if rank == 1:
    loader = [(images, labels), (images, labels + 4)]
"""

DISK = """
def fail(path, state, run):
    raise OSError("the disk is full")


_loop.write_checkpoint = fail
"""

OTHER_RUN = """
run()
recipe = replace(recipe, n_random=1)
"""


@pytest.mark.parametrize(
    ("failing", "sender", "messages"),
    [
        (EVALUATION, 1, ("KeyError|'no such image'",) * 2),
        (UNPICKLABLE, 1, ("RuntimeError|OddError: this and that", "OddError|this and that")),
        (LABEL, 1, ("InvalidArgumentError|`loader` must give labels from 0 to 3",) * 2),
        (DISK, 0, ("OSError|the disk is full",) * 2),
        (OTHER_RUN, 0, ("InvalidArgumentError|`recipe` must be as it was when",) * 2),
    ],
    ids=["evaluation", "not-picklable", "label", "disk", "another-run"],
)
def test_all_processes_stop_with_the_error_of_one(
    failing: str, sender: int, messages: tuple[str, str], tmp_path: Path, processes: Any
) -> None:
    names = {"folder": tmp_path, "n": 2, "timeout": 60, "failing": failing}
    processes.finish(*(processes.start(SCRIPT + FAILING, rank=rank, **names) for rank in range(2)))
    found = [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)]
    note = f"|Raised in process {sender} of 2."
    for rank in range(2):
        assert found[rank].startswith(messages[rank])
        assert found[rank].endswith(note) == (rank != sender)


def test_a_broken_message_says_which_limit_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(value: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("Timed out waiting")

    monkeypatch.setattr(_exchange, "average", fail)
    with pytest.raises(RuntimeError, match="Timed out") as caught:
        Exchange(object(), torch.device("cpu")).average(lambda: torch.zeros(()))
    (note,) = caught.value.__notes__
    assert "`timeout` of `torch.distributed.init_process_group`" in note
