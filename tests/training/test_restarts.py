"""Runs that continue with other processes: after one was killed, and with another number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SCRIPT = """
import json
import os
import signal
import warnings

import torch
import torch.distributed as dist
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import Sandwich, TrainingSettings, train
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(1)
data = TensorDataset(
    torch.randn(40, 1, 12, 12, generator=generator).double(),
    torch.randint(4, (40,), generator=generator),
)
family = mobilenet_v3_small_images(
    "tiny", width=0.5, n_classes=4, in_channels=1, resolutions=(8, 12)
)


def work():
    if n > 1:
        dist.init_process_group("gloo")
    rank = dist.get_rank() if n > 1 else 0
    sampler = DistributedSampler(data, n, rank)
    if uneven:  # the first process has five batches an epoch, the other three
        sampler = range(20) if rank == 0 else range(20, 32)
    torch.manual_seed(0)
    net = Supernet(family).double()
    evaluated = []

    def evaluate(net, subnets):
        evaluated.append(1)
        if rank == n - 1 and len(evaluated) == killed and os.environ.get(ATTEMPT, "0") == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        if len(evaluated) == stopped:
            raise InterruptedError
        return [0.0] * len(subnets)

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            train(
                net,
                DataLoader(data, 8 // n, sampler=sampler),  # five batches an epoch
                recipe=Sandwich(n_steps=9, n_random=0),
                settings=TrainingSettings(sync_batch_norm=sync),
                checkpoint=f"{out}.pt",
                checkpoint_every=2,
                evaluate=evaluate,
                evaluate_every=1,
                n_followed=0,
                progress=False,
            )
        except InterruptedError:
            pass
    if rank == 0:
        torch.save(net.state_dict(), f"{out}.weights")
        texts = [str(w.message) for w in warned if f"{out}.pt" in str(w.message)]
        with open(f"{out}.json", "w") as file:
            json.dump({"n_evaluated": len(evaluated), "warnings": texts}, file)
    if n > 1:
        dist.destroy_process_group()


ATTEMPT = "TORCHELASTIC_RESTART_COUNT"
# or processes find the addresses of those before the restart (pytorch/pytorch#135712)
os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
config = LaunchConfig(  # what torchrun makes of its options
    min_nodes=1,
    max_nodes=1,
    nproc_per_node=n,
    rdzv_backend="c10d",
    rdzv_endpoint="localhost:0",
    max_restarts=1 if killed else 0,
    monitor_interval=0.05,
    start_method="fork",
)
if n > 1:
    elastic_launch(config, work)()
else:
    work()
"""


def run(
    processes: Any,
    out: Path,
    n: int = 2,
    *,
    killed: int = 0,
    stopped: int = 0,
    sync: bool = False,
    uneven: bool = False,
) -> dict[str, Any]:
    """Train with ``n`` processes as torchrun does.

    Args:
        processes: Starts processes.
        out: Beginning of the names of the files.
        n: Processes.
        killed: The evaluation in which the last process is killed, once; 0 is none.
        stopped: The evaluation that stops all processes; 0 is none.
        sync: Whether they normalise their batches together.
        uneven: Whether the last of two processes has fewer batches an epoch.
    """
    names = {
        "out": str(out), "n": n, "killed": killed, "stopped": stopped, "sync": sync,
        "uneven": uneven,
    }  # fmt: skip
    processes.finish(processes.start(SCRIPT, **names))
    found: dict[str, Any] = json.loads(Path(f"{out}.json").read_text())
    return {**found, "weights": torch.load(f"{out}.weights", weights_only=True)}


def test_a_killed_process_is_restarted_to_the_same_weights(tmp_path: Path, processes: Any) -> None:
    whole = run(processes, tmp_path / "whole", uneven=True)
    killed = run(processes, tmp_path / "killed", killed=5, uneven=True)
    # from the checkpoint after step 4, as a step is evaluated before it is written
    assert (whole["n_evaluated"], killed["n_evaluated"]) == (9, 5)
    torch.testing.assert_close(killed["weights"], whole["weights"], rtol=0, atol=0)


def test_a_run_continues_with_other_numbers_of_processes(tmp_path: Path, processes: Any) -> None:
    whole = run(processes, tmp_path / "whole", 1, sync=True)
    parts = [
        run(processes, tmp_path / "parts", n, stopped=stopped, sync=True)
        for n, stopped in ((2, 3), (1, 5), (2, 0))
    ]
    # steps 3 and 7 were not written, but those before them
    assert [part["n_evaluated"] for part in parts] == [3, 5, 3]
    assert parts[0]["warnings"] == []
    for part, old, new in zip(parts[1:], (2, 1), (1, 2), strict=True):
        (text,) = part["warnings"]
        assert f"parts.pt was written by {old} process" in text
        assert f"continues with {new}" in text
    for name, tensor in whole["weights"].items():
        torch.testing.assert_close(
            parts[-1]["weights"][name], tensor, rtol=1e-8, atol=1e-10, msg=name
        )
