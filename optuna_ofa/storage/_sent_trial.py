"""Running trials that another process is told of, without their study."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage, InMemoryStorage

from optuna_ofa.exceptions import StorageError
from optuna_ofa.storage._errors import relational, url_of
from optuna_ofa.storage._existing import open_existing


class SentTrial(optuna.Trial):
    """A trial that was pickled: a few hundred bytes, which open its storage when it is needed.

    Args:
        study_name: The name of its study.
        storage: The URL of a database, or another storage; None where it is in the memory of the
            process that started the trial.
        trial_id: Its id in the storage.
        number: Its number.
    """

    def __init__(
        self, study_name: str, storage: str | BaseStorage | None, trial_id: int, number: int
    ) -> None:
        self.study_name: str = study_name
        self._place = storage
        self._trial_id, self._number = trial_id, number

    @classmethod
    def of(cls, trial: optuna.Trial) -> SentTrial:
        """Return what is sent of a trial."""
        if isinstance(trial, cls):
            return trial
        storage: BaseStorage = trial.study._storage
        place = storage if relational(storage) is None else url_of(storage)
        place = None if isinstance(storage, InMemoryStorage) else place
        return cls(trial.study.study_name, place, trial._trial_id, trial.number)

    @property
    def number(self) -> int:
        """The number of the trial, which is known without its storage."""
        return self._number

    def __getattr__(self, name: str) -> Any:
        """Open the storage for what `optuna.Trial` keeps; called for what is not there yet.

        Raises:
            StorageError: If the storage is in the memory of another process.
        """
        if name.startswith("__") or "study_name" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        if self._place is None:
            raise StorageError(
                f"Trial {self.number} of {self.study_name!r} can only be read and changed in the "
                f"process that started it, because its study is in memory; return the measurement, "
                f"or create the study with a `storage`."
            )
        place = open_existing(self._place) if isinstance(self._place, str) else self._place
        super().__init__(
            optuna.Study(self.study_name, place, sampler=RandomSampler()), self._trial_id
        )
        return self.__dict__[name] if name in self.__dict__ else object.__getattribute__(self, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return SentTrial, (self.study_name, self._place, self._trial_id, self._number)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, optuna.Trial):
            return NotImplemented
        sent = SentTrial.of(other)
        mine, theirs = (self._trial_id, self.study_name), (sent._trial_id, sent.study_name)
        return mine == theirs

    def __hash__(self) -> int:
        return hash((self._trial_id, self.study_name))
