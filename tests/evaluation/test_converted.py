"""Folders of converted networks."""

from __future__ import annotations

import gc
import os
import pickle
import warnings
from pathlib import Path

import pytest

import optuna_ofa.evaluation._converted as converted
from optuna_ofa.evaluation import LITERT_INT8
from optuna_ofa.evaluation._converted import ConvertedFolder
from optuna_ofa.space import SearchSpace


def test_a_folder_goes_with_its_owner_without_a_warning() -> None:
    owner = ConvertedFolder()
    folder = Path(owner.of("weights").folder)
    assert folder.is_dir()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        del owner
        gc.collect()
    assert not folder.exists()
    assert not [warning for warning in said if warning.category is ResourceWarning]


def test_a_copy_has_a_folder_of_its_own() -> None:
    owner = ConvertedFolder()
    copy = pickle.loads(pickle.dumps(owner))
    assert owner.of("weights").folder == owner.of("other weights").folder
    assert copy.of("weights").folder != owner.of("weights").folder


def test_the_files_that_were_made_first_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converted, "MOST_BYTES", 250)
    owner = ConvertedFolder()
    files = owner.of("weights")
    space = SearchSpace("ofa_mbv3_fashion")
    first, second, third = space.from_matrix(space.sample(3, seed=0))
    made = []

    def content(subnet: object) -> bytes:
        def make() -> bytes:
            made.append(subnet)
            return bytes(100)

        return files.content(subnet, LITERT_INT8, make)  # type: ignore[arg-type]

    for i, subnet in enumerate((first, second, second, third, third, second, first)):
        n = len(made)
        assert content(subnet) == bytes(100)
        if len(made) > n:  # the clock of files is coarse
            newest = max(Path(files.folder).iterdir(), key=lambda path: path.stat().st_mtime_ns)
            os.utime(newest, ns=(i, i))
    assert made == [first, second, third, first]
    assert len(list(Path(files.folder).iterdir())) == 2
