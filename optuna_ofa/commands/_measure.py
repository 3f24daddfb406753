"""``optuna-ofa measure``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from optuna_ofa.commands._arguments import add_sample, add_supernet
from optuna_ofa.commands._command import Arguments, Command, Output

if TYPE_CHECKING:
    from optuna_ofa.space import SearchSpace
    from optuna_ofa.space._space import Matrix


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_supernet(parser)
    add_sample(parser)


def _run(arguments: Arguments) -> Output:
    from optuna_ofa.profiling import measure

    space, matrix = drawn(arguments)
    measured = measure(space, matrix, **arguments)
    subnets = space.from_matrix(matrix)
    rows = list(zip(measured.latency_ms.tolist(), subnets, strict=True))
    return Output(
        "\n".join(f"{ms:9.3f} ms  {subnet}" for ms, subnet in rows),
        {
            "setup": dict(measured.setup),
            "subnets": [{"latency_ms": ms, "subnet": s.to_dict()} for ms, s in rows],
        },
    )


def drawn(arguments: Arguments) -> tuple[SearchSpace, Matrix]:
    """The space and random subnets of it; takes what says so out of the arguments."""
    from optuna_ofa.space import SearchSpace

    space = SearchSpace(arguments.pop("supernet"))
    return space, space.sample(arguments.pop("n"), seed=arguments.pop("seed"))


MEASURE = Command(
    "measure",
    "measure random subnets on this device",
    """\
  twenty subnets, kept in a database, so that none is measured twice:
    optuna-ofa measure --supernet ofa_mbv3_w1.0 --n 20 --storage sqlite:///phone.db
""",
    _add_arguments,
    _run,
)
