"""Folders of converted networks."""

from __future__ import annotations

import gc
import pickle
import warnings
from pathlib import Path

from optuna_ofa.evaluation._converted import ConvertedFolder


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
