"""Two processes train as one does with both shares of each batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

SCRIPT = """
import sys
import numpy as np
import torch
import torch.distributed as dist
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import ProgressiveShrinking, Sandwich, TrainingSettings, train

out, sync, checkpoint = sys.argv[1], sys.argv[2] == "sync", sys.argv[3] or None
torch.set_num_threads(1)
rank, n = 0, 1
if dist.is_torchelastic_launched():
    dist.init_process_group("gloo")
    rank, n = dist.get_rank(), dist.get_world_size()
generator = torch.Generator().manual_seed(1)
images = torch.randn(64, 1, 12, 12, generator=generator)
labels = torch.randint(4, (64,), generator=generator)
share = 16 // n
batches = [
    (images[i : i + share], labels[i : i + share])
    for i in range(rank * share, 64, 16)
]
torch.manual_seed(rank)  # the first process's weights are everybody's
family = mobilenet_v3_small_images(
    "tiny", width=0.5, n_classes=4, in_channels=1, resolutions=(8, 12)
)
calls = []
history = train(
    net := Supernet(family).double(),
    [(x.double(), y) for x, y in batches],
    recipe=ProgressiveShrinking(
        n_steps=12, learning_rate=0.1, shares={"depth 1": 100, "expand 1": 100}
    ),
    settings=TrainingSettings(sync_batch_norm=sync, max_gradient_norm=2.0),
    checkpoint=checkpoint,
    evaluate=lambda net, subnets: calls.append(rank) or np.full(len(subnets), 7.0),
    progress=False,
)
assert history.entries[-1].top1 == (7.0,) * 12
assert len(calls) == (6 if rank == 0 else 0)
torch.save(net.state_dict(), f"{out}.{rank}")
if n > 1:
    dist.destroy_process_group()
"""


def run(folder: Path, name: str, n: int, sync: str, checkpoint: str = "") -> list[dict[str, Any]]:
    """The weights that each of ``n`` processes has at the end."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n}"]
    command = [*(launcher if n > 1 else []), str(script), str(folder / name), sync, checkpoint]
    done = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"{name}.{rank}", weights_only=True) for rank in range(n)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distributed")


@pytest.fixture(scope="module")
def together(folder: Path) -> list[dict[str, Any]]:
    return run(folder, "two", 2, "sync")


def test_two_processes_equal_one(folder: Path, together: list[dict[str, Any]]) -> None:
    (one,) = run(folder, "one", 1, "sync")
    for name, tensor in one.items():
        torch.testing.assert_close(together[0][name], tensor, rtol=1e-8, atol=1e-10, msg=name)


def test_all_processes_have_the_same_weights(together: list[dict[str, Any]]) -> None:
    first, second = together
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_batches_that_are_normalised_apart_share_their_gradients(
    folder: Path, together: list[dict[str, Any]]
) -> None:
    first, second = run(folder, "apart", 2, "apart")
    own = ("running_mean", "running_var")
    weights = [name for name in first if not name.endswith(own)]
    for name in weights:
        assert torch.equal(first[name], second[name]), name
    assert any(not torch.equal(first[n], second[n]) for n in first if n not in weights)
    assert not torch.equal(first[weights[0]], together[0][weights[0]])
