"""All errors and warnings that the package raises on purpose, under one root."""

from __future__ import annotations

_LONGEST = 2000  # characters of a message


class OptunaOFAError(Exception):
    """Root of all errors raised by ``optuna_ofa``.

    Messages quote files and arguments, so they are kept to one line of at most 2,000 characters.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(_short(arg) if isinstance(arg, str) else arg for arg in args))


def _short(text: str) -> str:
    start = text[:_LONGEST]
    line = " ".join(start.split()) if "\n" in start or "\r" in start else start
    return line if len(text) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


class InvalidArgumentError(OptunaOFAError, ValueError):
    """An argument breaks a rule; the message names the argument, the rule and the value."""


class InvalidSubnetError(OptunaOFAError, ValueError):
    """A subnet or genotype does not belong to the family or search space."""


class FormatError(OptunaOFAError, ValueError):
    """A file or mapping is not in any supported format."""


class FamilyMismatchError(OptunaOFAError, ValueError):
    """Weights, a predictor or a table belong to another supernet family."""


class MissingEntryError(OptunaOFAError, KeyError):
    """A latency table has no entry for a layer."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0]) if self.args else ""


class ImplausibleValueWarning(UserWarning):
    """A value is probably in the wrong unit, such as a fraction, or of another kind of device."""


class ExtrapolationWarning(UserWarning):
    """Predictions are extrapolated beyond what was measured."""


class GroupWarning(UserWarning):
    """Measured rows seem to come from groups with offsets, or offsets that cannot be known."""


class NoisyDeviceError(OptunaOFAError, RuntimeError):
    """Repeated runs differ so much that a latency is meaningless."""


class NoisyDeviceWarning(UserWarning):
    """Repeated runs differ a lot, or the machine was busy; the latencies are less certain."""


class FailedMeasurementWarning(UserWarning):
    """A runtime failed on some graphs; the others are still measured."""


class CalibrationWarning(UserWarning):
    """Images for recalibration or evaluation are too few, or differ each time they are read."""


class MeasurementError(OptunaOFAError, RuntimeError):
    """A device or process that measures has failed; what was measured before is kept."""


class DivergedTrainingError(OptunaOFAError, RuntimeError):
    """Training produced a non-finite loss or weights; the message says at which step."""


class InfeasibleConstraintError(OptunaOFAError, ValueError):
    """No subnet of the search space can satisfy the constraints."""


class PredictionError(OptunaOFAError, ValueError):
    """A predictor returned something that is not a valid prediction."""


class FailedPredictionWarning(UserWarning):
    """A predictor raised for some subnets, whose trials have failed; the search continues."""


class StudyMismatchError(OptunaOFAError, ValueError):
    """A study of that name exists, but with another space, objectives or settings."""


class StorageError(OptunaOFAError, RuntimeError):
    """A storage cannot be reached, read or written."""


class SearchSpaceExhaustedError(OptunaOFAError, RuntimeError):
    """Every subnet of the search space has been evaluated."""


class DownloadError(OptunaOFAError, OSError):
    """A published file could not be fetched or is not the file that was published."""


class MissingDependencyError(OptunaOFAError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class EmptyFrontError(OptunaOFAError, RuntimeError):
    """No finished trial satisfies the constraints, so there is no front."""
