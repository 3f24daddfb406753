"""Evaluate subnets on the workers of an engine: processes, loky, Dask, Ray or MPI.

This process divides the subnets, and writes the accuracies into a database. Workers need this
package and the images, and no database; on a machine with GPUs each worker takes one. If the script
is started twice with the same `--storage`, also on two machines, each evaluates other subnets.

    python examples/many_workers.py --engine processes --workers 2
    python examples/many_workers.py --engine dask --address tcp://scheduler:8786
    python examples/many_workers.py --engine ray --address auto
    mpiexec -n 5 python -m mpi4py.futures examples/many_workers.py --engine mpi
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import torch
from torch.utils.data import DataLoader

import optuna_ofa
from optuna_ofa.data import packaged_images, packaged_supernet
from optuna_ofa.executors import Executor, RayExecutor

BATCH_SIZE = 200
N_CALIBRATION = 500


def validation(resolution: int) -> DataLoader[tuple[torch.Tensor, ...]]:
    """Return the images at a resolution; called by each worker, so that none is sent."""
    del resolution  # these are small, and are resized by `evaluate`
    return DataLoader(packaged_images().test, BATCH_SIZE)


@contextlib.contextmanager
def executor_of(engine: str, workers: int, address: str | None) -> Iterator[Executor]:
    """Yield an executor, and end what was started for it."""
    if engine == "processes":
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            yield pool
    elif engine == "loky":
        import loky

        yield loky.get_reusable_executor(workers)
    elif engine == "dask":
        from dask.distributed import Client, LocalCluster

        cluster = address or LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None
        )
        with Client(cluster) as client:
            yield client.get_executor()
        if not address:
            cluster.close()
    elif engine == "ray":
        import ray

        ray.init(address=address, num_cpus=None if address else workers)
        yield RayExecutor(num_cpus=1, num_gpus=1 if torch.cuda.is_available() else 0)
        ray.shutdown()
    else:
        from mpi4py.futures import MPIPoolExecutor

        with MPIPoolExecutor() as pool:
            yield pool


def main() -> None:
    """Evaluate random subnets, and print the best."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    engines = ("processes", "loky", "dask", "ray", "mpi")
    parser.add_argument("--engine", choices=engines, default="processes")
    parser.add_argument("--workers", type=int, default=2, help="where the engine is started here")
    parser.add_argument("--address", help="of a running Dask scheduler or Ray cluster")
    parser.add_argument("--subnets", type=int, default=40)
    parser.add_argument("--storage", default="sqlite:///accuracies.db")
    arguments = parser.parse_args()

    supernet = packaged_supernet()
    space = optuna_ofa.SearchSpace(supernet.family)
    subnets = space.sample(arguments.subnets, seed=0)
    settings = optuna_ofa.EvaluationSettings(
        calibration=packaged_images().train.tensors[0][:N_CALIBRATION], device="auto"
    )
    with executor_of(arguments.engine, arguments.workers, arguments.address) as executor:
        found = optuna_ofa.evaluate(
            supernet, subnets, validation, settings, storage=arguments.storage, executor=executor
        )
    best = int(found.top1.argmax())
    print(f"{len(found.top1)} subnets evaluated; the best has {found.top1[best]:.2f} %:")
    print(f"  {space.from_matrix(found.matrix)[best]}")


if __name__ == "__main__":
    main()
