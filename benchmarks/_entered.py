"""How many files of the package a call enters."""

from __future__ import annotations

import inspect
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import optuna

import optuna_ofa
from optuna_ofa import predictors, samplers

FAMILY = "ofa_mbv3_w1.0"  # its predictors come with the package
N_GENERATION = 25  # a generation of the default search, as long as the study is small


def files_entered() -> Iterator[tuple[str, list[str]]]:
    """Three calls of studies in new SQLite files, in words, and the files of each.

    What they import has been imported by the same calls of another study, or by earlier ones.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:

        def study(name: str, *, learn: bool = False) -> optuna_ofa.SubnetStudy:
            url = f"sqlite:///{folder}/{name}.db"
            return optuna_ofa.study(FAMILY, seed=0, storage=url, learn=learn)

        searched = study("searched")
        searched.search(200, progress=False)
        generation = partial(searched.search, N_GENERATION, progress=False)
        yield "a generation of search", entered(generation)

        learning = study("learning", learn=True)
        asked = learning.ask_batch(12)
        objectives = learning.problem.objectives
        learning.tell_batch(asked, [[one.predicted[name] for name in objectives] for one in asked])
        yield "ask_batch(4) that learns", entered(lambda: learning.ask_batch(4))

        published = study("published")
        published.search(200, progress=False)
        searched.publish()
        yield "publish", entered(published.publish)


def entered(call: Callable[[], Any]) -> list[str]:
    """The files of the package with a function that runs during a call, in any thread.

    Modules and classes that are made during the call do not count, their functions do.
    """
    names = set[str]()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED:  # a function
            names.add(frame.f_code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    files = {Path(name).resolve() for name in names}
    doors = (optuna_ofa, predictors, samplers)
    folders = [Path(str(door.__file__)).resolve().parent for door in doors]
    ours = [file for file in files if any(file.is_relative_to(folder) for folder in folders)]
    return sorted(map(str, ours))
