"""The one place through which optional dependencies are imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from optuna_ofa.exceptions import MissingDependencyError


@dataclass(frozen=True)
class OptionalImport:
    """A module that is imported on use, not when the package is imported.

    Args:
        module: Full name of the module.
        extra: The extra of ``optuna-ofa`` that installs it.
    """

    module: str
    extra: str

    def check(self) -> ModuleType:
        """Return the module.

        Raises:
            MissingDependencyError: It cannot be imported.
        """
        try:
            return import_module(self.module)
        except ImportError as error:
            raise self._missing(error) from error

    def require(self) -> None:
        """Refuse to go on without the module, which is not imported if it is at a top level.

        For modules whose import takes seconds, prints, or changes the process.

        Raises:
            MissingDependencyError: It is not installed.
        """
        try:
            found = find_spec(self.module)
        except ImportError as error:
            raise self._missing(error) from error
        if found is None:
            raise self._missing("it is not installed")

    def _missing(self, reason: object) -> MissingDependencyError:
        return MissingDependencyError(
            f"`{self.module}` cannot be imported ({reason}); "
            f'install it with: pip install "optuna-ofa[{self.extra}]"'
        )


def try_import(module: str, extra: str) -> OptionalImport:
    """Name an optional dependency at the top of a file; call its ``check()`` where it is used.

    Args:
        module: Full name of the module, for example ``"kaleido"``.
        extra: The extra of ``optuna-ofa`` that installs it, for example ``"image"``.
    """
    return OptionalImport(module, extra)
