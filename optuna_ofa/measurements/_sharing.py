"""The work of one call, shared with other callers of the same database."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from optuna_ofa.measurements._claims import Claims
from optuna_ofa.space import Subnet

_FIRST_S, _LONGEST_S = 0.1, 2.0  # pauses between two looks at the database


class Sharing:
    """Which subnets this caller measures, and how it waits for those that others measure.

    Args:
        claims: The claims of this caller; None measures all without others.
        settle: Called when this caller has no more work of its own: writes and releases what others
            may be waiting for.
        say: Shows what is waited for, or nothing.
    """

    def __init__(
        self, claims: Claims | None, settle: Callable[[], object], say: Callable[[str], object]
    ) -> None:
        self._claims, self._settle, self._say = claims, settle, say
        self._n_taken = 0

    def take(
        self, subnets: Sequence[Subnet], n: int, todo: Callable[[list[Subnet]], list[Subnet]] = list
    ) -> tuple[list[Subnet], Sequence[Subnet]]:
        """Claim the first ``n`` free subnets.

        Args:
            subnets: Different subnets.
            n: At most how many.
            todo: Returns those of the claimed subnets that nobody has measured meanwhile.

        Returns:
            The subnets to measure, and those behind them, which were not looked at.
        """
        if self._claims is None:
            return list(subnets[:n]), subnets[n:]
        taken = self._claims.take(subnets, n)
        if not taken:
            return [], []
        ours = todo(taken)
        self._claims.release(s for s in taken if s not in ours)
        self._n_taken += len(ours)
        return ours, subnets[subnets.index(taken[-1]) + 1 :]

    def rounds(
        self, left: Callable[[], list[Subnet]], look: Callable[[list[Subnet]], object]
    ) -> Iterator[list[Subnet]]:
        """Yield what is left to be measured until nothing is.

        Between two rounds it looks for what others have measured, and waits if there was nothing to
        claim.

        Args:
            left: Returns the subnets that are not measured yet.
            look: Reads what others have measured of some subnets.
        """
        pause = _FIRST_S
        while subnets := left():
            n_before = self._n_taken
            yield subnets
            if self._claims is None:
                return
            self._settle()
            self._claims.release(subnets)  # should some be left
            look(left())
            waiting = left()
            if self._n_taken > n_before:
                pause = _FIRST_S
            elif waiting:
                self._wait(waiting, pause)
                pause = min(1.5 * pause, _LONGEST_S)
        self._say("")

    def _wait(self, subnets: Sequence[Subnet], pause: float) -> None:
        assert self._claims is not None
        held = self._claims.held_by_others(subnets)
        if held:
            who = ", ".join(sorted(set(held.values())))
            self._say(f"waiting for {len(held)} of {who}")
        time.sleep(pause)

    @contextlib.contextmanager
    def alone(self, name: str, is_done: Callable[[], bool]) -> Iterator[None]:
        """Do something that one caller does for all; wait until nobody else does it.

        Args:
            name: What it is.
            is_done: Whether another caller has done it, so that nothing is waited for.
        """
        claims, pause = self._claims, _FIRST_S
        if claims is None:
            yield
            return
        while not (ours := claims.take_name(name)) and not is_done():
            self._say("waiting for another caller")
            time.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_S)
        self._say("")
        try:
            yield
        finally:
            if ours:
                claims.release_name(name)
