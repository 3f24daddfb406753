"""Callbacks of searches."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState

import optuna_ofa
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import nondominated
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]


class Log:
    """Notes what it is called with, and how many trials there were."""

    def __init__(self) -> None:
        self.trials: list[FrozenTrial] = []
        self.n_trials: list[int] = []
        self.studies: list[optuna.Study] = []

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self.studies.append(study)
        self.trials.append(trial)
        self.n_trials.append(len(study.get_trials(deepcopy=False)))

    @property
    def numbers(self) -> list[int]:
        return [trial.number for trial in self.trials]


def test_all_trials_in_their_order(make_study: Make, url: str, names: Callable[[], str]) -> None:
    study, log = make_study(storage=url, study_name=names()), Log()
    study.search(60, callbacks=[log], callbacks_for="all")
    assert log.numbers == list(range(60))
    assert log.trials == study.trials
    assert {type(trial) for trial in log.trials} == {FrozenTrial}
    assert set(log.studies) == {study}


@pytest.mark.parametrize("options", [{"keep": "front"}, {"parameters": "front"}], ids=str)
def test_all_trials_of_which_a_part_is_stored(
    make_study: Make, sqlite: str, options: dict[str, str]
) -> None:
    study, log = make_study(storage=sqlite, **options), Log()
    study.search(120, callbacks=[log], callbacks_for="all")
    assert log.numbers == list(range(len(study.trials)))
    assert log.trials == study.trials
    assert {len(trial.params) for trial in log.trials} == {len(study.space.genes)}


def test_only_the_best_of_each_generation(make_study: Make) -> None:
    study, log = make_study(constraints={"latency_ms": 20.0}), Log()
    study.search(400, callbacks=[log])
    assert log.numbers == sorted(set(log.numbers))
    signs = np.array([-1.0, 1.0])
    start = 0
    for n in sorted(set(log.n_trials)):  # a generation
        called = [number for number, m in zip(log.numbers, log.n_trials, strict=True) if m == n]
        assert 1 <= len(called) <= 5
        assert start <= called[0] < n
        done = study.trials[:n]
        feasible = [t.number for t in done if max(t.constraints.values()) <= 0]
        values = np.array([done[number].values for number in feasible]) * signs
        front = set(np.array(feasible)[nondominated(values)].tolist())
        new = [number for number in sorted(front) if number >= start]
        if new:
            assert set(called) <= set(new)
            assert len(called) == min(5, len(new))
            costs = {done[number].values[1] for number in called}
            ends = [done[number].values[1] for number in new]
            assert {min(ends), max(ends)} <= costs
        else:
            assert called == [n - 1]
        start = n
    assert start == 400


def test_callbacks_are_called_in_turn(make_study: Make) -> None:
    order: list[tuple[str, int]] = []
    study = make_study()
    study.search(
        120,
        callbacks=iter(
            [
                lambda _, trial: order.append(("a", trial.number)),
                lambda _, trial: order.append(("b", trial.number)),
            ]
        ),
        callbacks_for="all",
    )
    assert order == [(name, number) for number in range(120) for name in "ab"]


def test_a_trial_is_a_copy(make_study: Make) -> None:
    study = make_study()

    def change(study: optuna.Study, trial: FrozenTrial) -> None:
        trial.user_attrs.clear()
        trial.params.clear()

    study.search(50, callbacks=[change], callbacks_for="all")
    assert {trial.user_attrs["kind"] for trial in study.trials} == {"predicted"}
    assert {len(trial.params) for trial in study.trials} == {len(study.space.genes)}


@pytest.mark.parametrize("callbacks_for", ["best", "all"])
def test_the_search_is_the_same(make_study: Make, callbacks_for: str) -> None:
    plain, called = make_study(seed=3), make_study(seed=3)
    plain.search(250)
    called.search(250, callbacks=[Log()], callbacks_for=callbacks_for)
    assert [t.values for t in called.trials] == [t.values for t in plain.trials]


@pytest.mark.parametrize("callbacks_for", ["best", "all"])
def test_the_number_of_trials_is_limited_by_optunas_callback(
    make_study: Make, callbacks_for: str
) -> None:
    study = make_study()
    study.search(2000, callbacks=[MaxTrialsCallback(150)], callbacks_for=callbacks_for)
    assert len(study.trials) == 200  # two generations


def test_a_stopped_search_calls_for_the_whole_generation_and_continues(make_study: Make) -> None:
    study, whole, log = make_study(seed=2), make_study(seed=2), Log()

    def stop(study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.number == 3:
            study.stop()

    study.search(300, callbacks=[stop, log], callbacks_for="all")
    assert log.numbers == list(range(100))
    with pytest.raises(RuntimeError, match="supposed to be invoked inside an objective"):
        study.stop()
    study.search(until=300)
    whole.search(300)
    assert [t.values for t in study.trials] == [t.values for t in whole.trials]


@pytest.mark.parametrize("error", [ValueError("mine"), StopIteration("mine"), KeyboardInterrupt()])
def test_an_error_of_a_callback_ends_the_search_and_keeps_the_trials(
    make_study: Make, error: BaseException
) -> None:
    study, whole, log = make_study(seed=2), make_study(seed=2), Log()

    def fail(study: optuna.Study, trial: FrozenTrial) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        study.search(300, callbacks=[fail])
    assert raised.value is error
    assert len(study.trials) == 100
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    study.search(until=300, callbacks=[log], callbacks_for="all")
    assert log.numbers == list(range(100, 300))
    whole.search(300)
    assert [t.values for t in study.trials] == [t.values for t in whole.trials]


def test_a_continued_search_calls_for_new_trials_alone(
    make_study: Make, url: str, names: Callable[[], str]
) -> None:
    name = names()
    first, again, log = make_study(storage=url, study_name=name), Log(), Log()
    first.search(40)
    first.search(80, callbacks=[log], callbacks_for="all")
    other = make_study(storage=url, study_name=name, load_if_exists=True, seed=5)
    other.search(until=120, callbacks=[again])
    assert again.trials == []
    other.search(until=130, callbacks=[again], callbacks_for="all")
    assert log.numbers == list(range(40, 120))
    assert again.numbers == list(range(120, 130))


def test_the_best_of_a_continued_search_extend_the_front_of_all(make_study: Make) -> None:
    study, log = make_study(), Log()
    study.search(600)
    study.search(10, callbacks=[log])  # one generation
    found = [p.trial_number for p in study.front() if (p.trial_number or 0) >= 600]
    assert found
    assert set(log.numbers) <= set(found)
    assert len(log.numbers) == min(5, len(found))


def test_enqueued_trials_are_called_for(make_study: Make) -> None:
    study, log = make_study(), Log()
    for params in study.space.to_params(study.space.sample(3, seed=0)):
        study.enqueue_trial(params)
    study.search(50, callbacks=[log])
    assert log.numbers[:3] == [0, 1, 2]
    assert log.n_trials[:3] == [3, 3, 3]
    assert log.numbers == sorted(set(log.numbers))


def test_a_search_can_be_stopped_at_an_enqueued_trial(make_study: Make) -> None:
    study = make_study()
    for params in study.space.to_params(study.space.sample(3, seed=0)):
        study.enqueue_trial(params)
    study.search(50, callbacks=[lambda study, _: study.stop()])
    assert [trial.state for trial in study.trials] == [
        TrialState.COMPLETE,
        TrialState.WAITING,
        TrialState.WAITING,
    ]


def test_workers_in_turn_each_call_for_their_own(
    make_study: Make, url: str, names: Callable[[], str]
) -> None:
    name = names()
    logs = [Log(), Log()]
    for turn in range(3):
        log = logs[turn % 2]
        study = make_study(storage=url, study_name=name, load_if_exists=True, seed=turn)
        study.search(30, callbacks=[log], callbacks_for="all")
    assert logs[0].numbers == [*range(30), *range(60, 90)]
    assert logs[1].numbers == [*range(30, 60)]


WORKER = """
import json
import pathlib
import optuna_ofa
numbers = []
optuna_ofa.study(
    "ofa_mbv3_w1.0", objectives=["n_macs", "n_params"], storage=url, study_name="a",
    load_if_exists=True, seed=seed,
).search(
    until=300, callbacks=[lambda study, trial: numbers.append(trial.number)], callbacks_for="all"
)
pathlib.Path(path).write_text(json.dumps(numbers))
"""


def test_processes_call_for_each_trial_once(sqlite: str, tmp_path: Path, processes: Any) -> None:
    paths = [str(tmp_path / name) for name in "ab"]
    processes.finish(
        *(processes.start(WORKER, url=sqlite, path=path, seed=i) for i, path in enumerate(paths))
    )
    found = [json.loads(Path(path).read_text()) for path in paths]
    assert [part for part in found if part != sorted(part)] == []
    assert sorted([*found[0], *found[1]]) == list(range(300))


def test_trials_of_a_journal(make_study: Make, tmp_path: Path) -> None:
    backend = JournalFileBackend(str(tmp_path / "journal.log"))
    study, log = make_study(storage=JournalStorage(backend)), Log()
    study.search(60, callbacks=[log], callbacks_for="all")
    assert log.numbers == list(range(60))
    assert log.trials == study.trials


def test_a_storage_that_numbers_trials_itself(make_study: Make) -> None:
    class Numbering(optuna.storages.InMemoryStorage):
        """As a storage of another process: the given trial is not told its number."""

        def create_new_trial(self, study_id: int, template_trial: Any = None) -> int:
            if template_trial is not None:
                template_trial = optuna.trial.create_trial(
                    state=template_trial.state,
                    values=template_trial.values,
                    params=template_trial.params,
                    distributions=template_trial.distributions,
                    user_attrs=template_trial.user_attrs,
                    system_attrs=template_trial.system_attrs,
                )
            return super().create_new_trial(study_id, template_trial)

    study, log = make_study(storage=Numbering()), Log()
    study.search(250, callbacks=[log], callbacks_for="all")
    assert log.numbers == list(range(250))


class TestFleet:
    @pytest.fixture
    def fleet(self) -> optuna_ofa.Fleet:
        return optuna_ofa.fleet("ofa_mbv3_w1.0", hardware=["cpu-torch", "cpu-onnxruntime"], seed=0)

    def test_each_study_is_called_for(self, fleet: optuna_ofa.Fleet) -> None:
        log = Log()
        fleet.search(150, callbacks=[log], callbacks_for="all")
        for study in fleet.values():
            numbers = [n for n, of in zip(log.numbers, log.studies, strict=True) if of is study]
            assert numbers == list(range(150))

    def test_one_device_can_be_stopped(self, fleet: optuna_ofa.Fleet) -> None:
        def stop(study: optuna.Study, trial: FrozenTrial) -> None:
            if study is fleet["cpu-torch"]:
                study.stop()

        fleet.search(300, callbacks=[stop])
        n_torch, n_onnx = (len(study.trials) for study in fleet.values())
        assert n_torch < n_onnx == 300

    def test_measurements_of_one_device_can_be_stopped(self, fleet: optuna_ofa.Fleet) -> None:
        def stop(study: optuna.Study, trial: FrozenTrial) -> None:
            if study is fleet["cpu-torch"]:
                study.stop()

        fleet.search(100)
        meters = {"top1": lambda _: 70.0, "latency_ms": lambda _: 10.0}
        late = fleet.verify(meters, points=10, timeout=0)
        assert [len(of.points) for of in late.values()] == [0, 0]
        found = fleet.verify(meters, points=10, callbacks=[stop])
        assert [len(of.points) for of in found.values()] == [8, 10]

    def test_wrong_callbacks_are_refused(self, fleet: optuna_ofa.Fleet) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`callbacks\[0\]` must be a function of 2"):
            fleet.search(10, callbacks=[lambda study: None])  # type: ignore[misc, list-item]


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([None], r"`callbacks\[0\]` must be a function of 2 arguments, but got None"),
        ([lambda study: None], r"`callbacks\[0\]` must be a function of 2 arguments"),
        ([MaxTrialsCallback], r"`callbacks\[0\]` must be a function of 2 arguments"),
        ([Log(), "log"], r"`callbacks\[1\]` must be a function of 2 arguments, but got 'log'"),
        (Log(), "`callbacks` must be an iterable"),
        ("ab", "`callbacks` must be an iterable"),
    ],
)
@pytest.mark.parametrize("name", ["search", "optimize"])
def test_wrong_callbacks_are_refused(
    make_study: Make, name: str, callbacks: Any, message: str
) -> None:
    study = make_study()
    call: Callable[..., None] = getattr(study, name)
    arguments = () if name == "search" else (study.problem,)
    with pytest.raises(InvalidArgumentError, match=message):
        call(*arguments, n_trials=10, callbacks=callbacks)
    assert study.trials == []


def test_unknown_trials_are_refused(make_study: Make) -> None:
    with pytest.raises(
        InvalidArgumentError, match="`callbacks_for` must be one of 'best', 'all', but got 'front'"
    ):
        make_study().search(10, callbacks=[Log()], callbacks_for="front")
