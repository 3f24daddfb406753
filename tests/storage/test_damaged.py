"""Databases that were damaged, or that another program wrote to."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optuna
import pytest
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

import optuna_ofa
from optuna_ofa import SubnetStudy, load_study
from optuna_ofa.commands import main
from optuna_ofa.exceptions import ExtrapolationWarning, OptunaOFAError, StorageError
from optuna_ofa.samplers import EvolutionarySampler, SurrogateSampler

N = 30
TABLES = (
    "alembic_version",
    "studies",
    "study_directions",
    "study_system_attributes",
    "study_user_attributes",
    "trial_heartbeats",
    "trial_intermediate_values",
    "trial_params",
    "trial_system_attributes",
    "trial_user_attributes",
    "trial_values",
    "trials",
    "version_info",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a study with predicted, measured, running, waiting and failed trials."""
    path = tmp_path_factory.mktemp("whole") / "nas.db"
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna_ofa.study(
        "ofa_mbv3_w1.0",
        storage=f"sqlite:///{path}",
        study_name="phone",
        constraints={"latency_ms": 20.0, "n_macs": 4e8},
        seed=1,
    )
    study.search(N)
    asked = study.ask_batch(3)
    study.tell_batch(asked[:2], [[70.0, 10.0], None])
    study.enqueue_trial(study.space.to_params(study.space.to_matrix([study.space.smallest()]))[0])
    study.verify({"top1": lambda _: (72.0, 0.1), "latency_ms": lambda _: 11.0}, points=2)
    optuna.logging.set_verbosity(verbosity)
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "nas.db"))


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def run(path: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement, values)
    connection.commit()
    connection.close()


def own(trial: optuna.Trial) -> tuple[float, float]:
    return 70.0, 14.0


READS: dict[str, Callable[[SubnetStudy], object]] = {
    "front": lambda study: study.front(),
    "results": lambda study: study.results(),
    "snapshot": lambda study: study.snapshot().finished,
    "notes": lambda study: study.notes([0, N]),
    "trials": lambda study: study.trials,
    "best_trials": lambda study: study.best_trials,
    "user_attrs": lambda study: study.user_attrs,
}
WRITES: dict[str, Callable[[SubnetStudy], object]] = {
    "search": lambda study: study.search(10),
    "ask_batch": lambda study: study.ask_batch(1),
    "ask": lambda study: study.ask(),
    "optimize": lambda study: study.optimize(own, n_trials=1),
    "enqueue_trial": lambda study: study.enqueue_trial({"resolution": 224}),
    "verify": lambda study: study.verify({"top1": lambda _: 70.0}, points=1, progress=False),
}
CALLS = READS | WRITES


def only_ours(call: Callable[[], object]) -> bool:
    """Call, and return whether an error of ours was raised; no other is."""
    try:
        call()
    except OptunaOFAError:
        return True
    return False


def sound(study: SubnetStudy) -> None:
    """Check that all values on the fronts of a study are possible."""
    for kind in ("predicted", "measured"):
        if study.results(kind=kind).feasible.any():  # type: ignore[arg-type]
            for point in study.front(kind=kind):  # type: ignore[arg-type]
                assert 0 <= point.top1 <= 100
                assert 0 < point.latency_ms < math.inf


class TestFiles:
    DAMAGE: ClassVar[dict[str, Callable[[bytes], bytes]]] = {
        "nothing": lambda raw: b"",
        "text": lambda raw: b"hello " * 999,
        "random": lambda raw: np.random.default_rng(1).bytes(len(raw)),
        "half": lambda raw: raw[: len(raw) // 2],
        "end": lambda raw: raw[:-4096],
        "first-page": lambda raw: bytes(4096) + raw[4096:],
        "header-alone": lambda raw: raw[:100] + bytes(len(raw) - 100),
    }

    @pytest.mark.parametrize("how", DAMAGE)
    def test_that_were_replaced(self, path: Path, url: str, how: str) -> None:
        path.write_bytes(self.DAMAGE[how](path.read_bytes()))
        with pytest.raises(OptunaOFAError, match="`storage` must be"):
            load_study("phone", url).search(5)

    @pytest.mark.parametrize("how", DAMAGE)
    def test_that_are_replaced_while_they_are_open(self, path: Path, url: str, how: str) -> None:
        study = load_study("phone", url)
        path.write_bytes(self.DAMAGE[how](path.read_bytes()))
        assert [only_ours(lambda call=call: call(study)) for call in CALLS.values()].count(True) > 0

    @pytest.mark.parametrize("seed", range(6))
    def test_with_damaged_pages(self, path: Path, url: str, seed: int) -> None:
        rng, raw = np.random.default_rng(seed), bytearray(path.read_bytes())
        for page in rng.integers(1, len(raw) // 4096, size=3).tolist():
            raw[page * 4096 : (page + 1) * 4096] = rng.bytes(4096)
        path.write_bytes(raw)
        opened: list[SubnetStudy] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not only_ours(lambda: opened.append(load_study("phone", url))):
                for call in CALLS.values():
                    only_ours(lambda call=call: call(opened[0]))

    @pytest.mark.parametrize("revision", ["v9.9.9", "", "v2.6.0.a", None])
    def test_of_another_version(self, path: Path, url: str, revision: str | None) -> None:
        run(path, "UPDATE alembic_version SET version_num = coalesce(?, 5)", values=(revision,))
        with pytest.raises(StorageError, match="`storage` must"):
            load_study("phone", url)

    def test_that_are_a_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.db")
        with pytest.raises(OptunaOFAError, match="`storage` must be"):
            optuna_ofa.study("ofa_mbv3_w1.0", storage=f"sqlite:///{tmp_path}/pipe.db")


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_is_dropped(path: Path, url: str, table: str) -> None:
    study = load_study("phone", url)
    run(path, f"DROP TABLE {table}")
    failed = [name for name, call in CALLS.items() if only_ours(lambda call=call: call(study))]
    if table in ("alembic_version", "trial_heartbeats", "version_info"):
        assert failed == []  # not needed
    elif table != "study_directions":  # which Optuna has read before
        assert failed != []
    assert main(["studies", "--storage", url]) in (0, 1)
    only_ours(lambda: load_study("phone", url))


@pytest.mark.parametrize("kind", ["tables", "memory", "journal"])
def test_a_study_that_another_process_deletes(url: str, tmp_path: Path, kind: str) -> None:
    journal = JournalFileBackend(str(tmp_path / "a.log"))
    storage = {"tables": url, "memory": InMemoryStorage(), "journal": JournalStorage(journal)}[kind]
    if kind != "tables":
        optuna_ofa.study("ofa_mbv3_w1.0", storage=storage, study_name="phone").search(5)
    study = load_study("phone", storage)
    study.front()
    optuna.delete_study(study_name="phone", storage=storage)
    calls = {k: v for k, v in CALLS.items() if k not in ("enqueue_trial", "notes")}
    for call in calls.values():
        with pytest.raises(StorageError, match="`storage` must be a database that has the study"):
            call(study)


@pytest.mark.parametrize("name", ["KeyError", "ValueError", "TypeError"])
def test_errors_that_optuna_expects_are_still_of_its_kind(name: str) -> None:
    study = optuna_ofa.study("ofa_mbv3_w1.0")
    calls = {
        "KeyError": lambda: study._storage.get_trial(99),
        "ValueError": lambda: study.tell(99, [1.0, 2.0]),
        "TypeError": lambda: study._storage.get_all_trials(study._study_id, nothing=1),
    }
    with pytest.raises({"KeyError": KeyError, "ValueError": ValueError}.get(name, TypeError)):
        calls[name]()


class TestRows:
    """Single trials that cannot be read."""

    TEXT = "CAST(x'22ff22' AS TEXT)"  # not UTF-8
    CELLS: ClassVar = {
        "constraint-text": (
            "trial_system_attributes",
            "value_json",
            "'\"abc\"'",
            "key LIKE '%_ms'",
        ),
        "constraint-list": ("trial_system_attributes", "value_json", "'[1]'", "key LIKE '%_ms'"),
        "constraint-empty": ("trial_system_attributes", "value_json", "''", "key LIKE '%_ms'"),
        "constraints-text": (
            "trial_system_attributes",
            "value_json",
            "'[\"a\"]'",
            "key='constraints'",
        ),
        "constraints-number": ("trial_system_attributes", "value_json", "'5'", "key='constraints'"),
        "constraint-bytes": ("trial_system_attributes", "value_json", TEXT, "key LIKE '%_ms'"),
        "subnet-text": ("trial_user_attributes", "value_json", "'\"a\"'", "key='subnet'"),
        "subnet-null": ("trial_user_attributes", "value_json", "'null'", "key='subnet'"),
        "subnet-bytes": ("trial_user_attributes", "value_json", TEXT, "key='subnet'"),
        "subnet-other": (
            "trial_user_attributes",
            "value_json",
            "'{\"family\": 3}'",
            "key='subnet'",
        ),
        "kind-list": ("trial_user_attributes", "value_json", "'[1]'", "key='kind'"),
        "value-text": ("trial_values", "value", "'abc'", "objective=0"),
        "value-none": ("trial_values", "value", "NULL", "objective=0"),
        "value-blob": ("trial_values", "value", "x'ff'", "objective=0"),
        "value-negative": ("trial_values", "value", "-3.0", "objective=1"),
        "value-percent": ("trial_values", "value", "151", "objective=0"),
        "value-infinite": ("trial_values", "value", "9e999", "objective=0"),
        "type-infinite": ("trial_values", "value_type", "'INF_POS'", "objective=0"),
        "type-nan": ("trial_values", "value_type", "'NAN'", "objective=0"),
        "objective-5": ("trial_values", "objective", "5", "objective=1"),
        "objective-negative": ("trial_values", "objective", "-1", "objective=1"),
        "objective-text": ("trial_values", "objective", "'x'", "objective=1"),
        "state": ("trials", "state", "'WEIRD'", "1"),
    }

    def test_are_passed_over_with_one_warning(self, path: Path, url: str) -> None:
        damaged = dict(enumerate(self.CELLS.values(), start=3))  # one cell of each trial
        for number, (table, column, value, where) in damaged.items():
            statement = f"UPDATE {table} SET {column} = {value}"
            run(path, f"{statement} WHERE trial_id = {number + 1} AND {where}")
        study = load_study("phone", url)
        with pytest.warns(UserWarning, match="23 trials of the study 'phone' cannot") as caught:
            assert study.results(kind="predicted").numbers.tolist() == [
                n for n in range(N) if n not in damaged
            ]
        assert len(caught) == 1
        assert "trial 3: its attribute 'constraints:" in str(caught[0].message)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ExtrapolationWarning)  # of the front
            study.search(5)
            study.ask_batch(1)
            study.optimize(lambda t: (study.space.suggest(t), own(t))[1], n_trials=1)
            assert len(study.best_trials) > 0
            study.report(path.with_suffix(".html"))
            sound(study)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE trial_params SET distribution_json = 'abc' WHERE trial_id = 4",
            "UPDATE trial_params SET param_value = 'abc' WHERE trial_id = 4",
            "UPDATE trial_params SET param_value = 99 WHERE trial_id = 4",
            "UPDATE trials SET datetime_complete = 'soon' WHERE trial_id = 4",
            "UPDATE trials SET number = NULL WHERE trial_id = 4",
            "UPDATE trial_params SET param_value = 'Infinity'",
            'UPDATE trial_system_attributes SET value_json = \'{"resolution": "inf"}\' '
            "WHERE key = 'fixed_params'",
            f"UPDATE trial_user_attributes SET value_json = {TEXT} WHERE trial_id = 4",
            "DELETE FROM trial_values WHERE trial_id = 4",
            "DELETE FROM trial_user_attributes WHERE trial_id = 4",
            "UPDATE trial_user_attributes SET value_json = '7' WHERE key LIKE '%predicted%'",
            "UPDATE trial_user_attributes SET value_json = '[]' WHERE key LIKE '%measured%'",
            "UPDATE trial_system_attributes SET value_json = '\"x\"' WHERE key = 'fixed_params'",
            "UPDATE trial_system_attributes SET value_json = '[7e9]' WHERE key LIKE '%claim'",
        ],
    )
    def test_of_any_kind_stop_nothing(self, path: Path, url: str, statement: str) -> None:
        run(path, statement)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = load_study("phone", url)
            for name in CALLS.keys() - {"enqueue_trial"}:
                CALLS[name](study)
            study.report(path.with_suffix(".html"))
            sound(study)

    @pytest.mark.parametrize("sampler", [EvolutionarySampler, SurrogateSampler])
    def test_stop_no_sampler_in_a_study_of_optuna(self, sampler: Any) -> None:
        space = optuna_ofa.SearchSpace(optuna_ofa.get_family("ofa_mbv3_w1.0"))
        options = {} if sampler is EvolutionarySampler else {"n_startup_trials": 2}
        study = optuna.create_study(directions=["maximize"], sampler=sampler(space, **options))
        for key, value in [
            ("constraints:a", "abc"),
            ("constraints", "abc"),
            ("constraints", 5),
            ("fixed_params", [1]),
            ("optuna_ofa:claim", 7),
            ("optuna_ofa:claim", [10**9] * len(space.genes)),
        ]:
            for state in (TrialState.COMPLETE, TrialState.RUNNING):
                values = {"values": [70.0]} if state == TrialState.COMPLETE else {}
                params = {"params": {}, "distributions": {}, "system_attrs": {key: value}}
                study.add_trial(create_trial(state=state, **params, **values))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study.optimize(lambda trial: float(space.suggest(trial).resolution), n_trials=4)
        assert len(study.trials) == 16


class TestForged:
    """Trials with values that no predictor and no device returns."""

    VALUES = (
        [math.inf, 1.0],
        [99.0, -math.inf],
        [math.inf, -math.inf],
        [99.0, -5.0],
        [99.0, 0.0],
        [151.0, 1.0],
        [-1.0, 1.0],
    )

    @pytest.mark.parametrize("store", ["tables", "memory", "journal"])
    @pytest.mark.parametrize("kind", ["predicted", "measured", None])
    def test_are_on_no_front(self, tmp_path: Path, store: str, kind: str | None) -> None:
        storage = {
            "tables": f"sqlite:///{tmp_path}/a.db",
            "memory": InMemoryStorage(),
            "journal": JournalStorage(JournalFileBackend(str(tmp_path / "a.log"))),
        }[store]
        study = optuna_ofa.study("ofa_mbv3_w1.0", storage=storage, study_name="phone", seed=1)
        study.search(8)
        good = study.trials[0]
        attributes = {k: v for k, v in good.user_attrs.items() if k != "kind"}
        params = {"params": good.params, "distributions": good.distributions}
        attributes |= {"kind": kind} if kind else {}
        plain = optuna.load_study(study_name="phone", storage=storage)
        for values in self.VALUES:
            plain.add_trial(create_trial(values=values, user_attrs=attributes, **params))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = load_study("phone", storage)
            found.search(20)
            sound(found)
            assert not {*range(8, 15)} & {p.trial_number for p in found.front(kind="predicted")}
            assert not found.results(kind="measured").feasible.any()


class TestOwnAttributes:
    """What the package itself has stored about a study."""

    VALUES = ("null", "5", '"a"', "[]", "{}", "[1, [2]]", '{"a": 1}', "nothing", "")

    @pytest.mark.parametrize("value", VALUES)
    @pytest.mark.parametrize("key", ["optuna_ofa", "optuna_ofa:predictors"])
    def test_of_a_description(self, path: Path, url: str, key: str, value: str) -> None:
        run(
            path,
            "DELETE FROM study_user_attributes WHERE key = 'optuna_ofa:predictors'",
            "INSERT INTO study_user_attributes (study_id, key, value_json) "
            "VALUES (1, 'optuna_ofa:predictors', '{}')",
        )
        run(path, f"UPDATE study_user_attributes SET value_json = '{value}' WHERE key = '{key}'")
        maybe = contextlib.suppress(OptunaOFAError)
        again = {"load_if_exists": True, "constraints": {"latency_ms": 20.0, "n_macs": 4e8}}
        with maybe if key == "optuna_ofa:predictors" else pytest.raises(OptunaOFAError, match="`"):
            load_study("phone", url)
        with maybe if key == "optuna_ofa:predictors" else pytest.raises(OptunaOFAError, match="`"):
            optuna_ofa.study("ofa_mbv3_w1.0", storage=url, study_name="phone", **again)
        assert main(["studies", "--storage", url]) in (0, 1)

    PARTS = ("family", "choices", "objectives", "constraints", "predictions")

    @pytest.mark.parametrize("part", PARTS)
    def test_of_a_part_of_it(self, path: Path, url: str, part: str) -> None:
        connection = sqlite3.connect(path)
        (text,) = connection.execute(
            "SELECT value_json FROM study_user_attributes WHERE key = 'optuna_ofa'"
        ).fetchone()
        connection.close()
        for value in (None, 5, "a", [], {}, [[1]], {"a": "b"}):
            changed = json.dumps({**json.loads(text), part: value})
            run(
                path,
                "UPDATE study_user_attributes SET value_json = ? WHERE key = 'optuna_ofa'",
                values=(changed,),
            )
            with pytest.raises(OptunaOFAError, match="`"):
                load_study("phone", url)
            assert main(["studies", "--storage", url]) == 0

    @pytest.mark.parametrize("value", VALUES)
    def test_of_what_a_search_has_seen(self, tmp_path: Path, value: str) -> None:
        url = f"sqlite:///{tmp_path}/a.db"
        study = optuna_ofa.study("ofa_mbv3_w1.0", storage=url, study_name="phone", keep="front")
        study.search(10)
        run(
            tmp_path / "a.db",
            "UPDATE study_system_attributes SET value_json = ? WHERE key LIKE 'optuna_ofa:seen:%'",
            values=(value,),
        )
        if value in ("nothing", ""):  # Optuna itself cannot read the study
            with pytest.raises(StorageError, match="must be a database that has the study"):
                load_study("phone", url)
            return
        study = load_study("phone", url)
        with pytest.warns(UserWarning, match="'optuna_ofa:seen:.*' of the study is passed over"):
            study.search(20)
        assert len(study.front()) > 0


class TestJournals:
    @pytest.mark.parametrize("line", [b"garbage", b"[]", b"{}", b'{"op_code": 99}', b"\xff\xfe"])
    def test_that_are_damaged_while_they_are_open(self, tmp_path: Path, line: bytes) -> None:
        file = tmp_path / "a.log"
        storage = JournalStorage(JournalFileBackend(str(file)))
        study = optuna_ofa.study("ofa_mbv3_w1.0", storage=storage, study_name="phone")
        study.search(5)
        with file.open("ab") as journal:
            journal.write(line + b"\n")
        calls = CALLS.values()  # Optuna raises once, and then passes over the line
        assert [only_ours(lambda call=call: call(study)) for call in calls].count(True) > 0


@pytest.mark.parametrize(
    "text",
    [
        '{"__reduce__": ["os.system", ["touch ran"]]}',
        '{"py/object": "os.system", "py/reduce": ["touch ran"]}',
        "\"!!python/object/apply:os.system ['touch ran']\"",
        "\"__import__('os').system('touch ran')\"",
        '"{0.__class__.__init__.__globals__}"',
        '"<script>document.title=1</script>"',
    ],
)
def test_texts_in_a_database_run_nothing(
    path: Path, url: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    run(
        path,
        "UPDATE trial_user_attributes SET value_json = ? WHERE key LIKE '%measured%'",
        values=(text,),
    )
    run(path, "UPDATE trial_user_attributes SET value_json = ? WHERE trial_id = 4", values=(text,))
    run(path, "UPDATE studies SET study_name = ?", values=(text,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = load_study(text, url)
        for name in CALLS.keys() - {"enqueue_trial"}:
            CALLS[name](study)
        page = study.report(path.with_suffix(".html")).read_text(encoding="utf-8")
    assert "<script>document.title=1</script>" not in page
    assert not Path("ran").exists()
