"""A full disk: nothing that was written is lost, and the next process goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

pytest.importorskip("resource", reason="there are no limits of files")

# what is larger than the limit of a file cannot be written, as on a full disk
SCRIPT = """
import resource, signal, sys
import optuna_ofa
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

kind, path, call, limit = sys.argv[1:]
storage = JournalStorage(JournalFileBackend(path)) if kind == "journal" else f"sqlite:///{path}"
study = optuna_ofa.study(
    "ofa_mbv3_w1.0", objectives=["n_macs", "n_params"], storage=storage, study_name="a",
    load_if_exists=True, seed=1,
)
if int(limit):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
try:
    while True:
        if call == "search":
            study.search(20)
        else:
            study.optimize(study.problem, n_trials=10)
        print(len(study.trials), flush=True)
        if not int(limit):
            break
except optuna_ofa.OptunaOFAError as error:
    print(type(error).__name__)
"""


def run(kind: str, path: Path, call: str, limit: int) -> list[str]:
    """Search until the file has this size, or once without a limit; returns what was printed."""
    command = [sys.executable, "-c", SCRIPT, kind, str(path), call, str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("kind", "call"), [("sqlite", "search"), ("journal", "search"), ("journal", "optimize")]
)
def test_the_next_process_goes_on(tmp_path: Path, kind: str, call: str) -> None:
    path = tmp_path / "study"
    *_, said, error = run(kind, path, call, 400_000)
    assert error == "StorageError"
    assert "UserWarning" not in run(kind, path, call, 0)
    storage: Any = f"sqlite:///{path}"
    if kind == "journal":
        storage = JournalStorage(JournalFileBackend(str(path)))
    trials = optuna.load_study(study_name="a", storage=storage).trials
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len(done) >= int(said) + (20 if call == "search" else 10)
    if call == "search":  # perhaps with the generations that were written before the last one
        assert len(done) == len(trials) < int(said) + 40
        assert len({repr(trial.user_attrs["subnet"]) for trial in trials}) == len(trials)
