"""Publishing while a search runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna_ofa._errors import EmptyFrontError, InvalidArgumentError

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy


class PublishEvery:
    """Publishes a study after each few generations: ``study.search(n, callbacks=[...])``.

    A study without a feasible trial is passed over. One worker of several is enough.

    Args:
        n_generations: After how many.
        options: What `SubnetStudy.publish` takes.

    Raises:
        InvalidArgumentError: If ``n_generations`` is below 1.
    """

    def __init__(self, n_generations: int, **options: Any) -> None:
        if n_generations < 1:
            raise InvalidArgumentError(
                f"`n_generations` must be at least 1, but got {n_generations}."
            )
        self._n_generations, self._options = n_generations, options
        self._n_seen = 0

    def __call__(self, study: SubnetStudy) -> None:
        """Called by `SubnetStudy.search` after a generation."""
        self._n_seen += 1
        if self._n_seen % self._n_generations == 0:
            try:
                study.publish(**self._options)
            except EmptyFrontError:
                pass
