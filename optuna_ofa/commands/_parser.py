"""The command-line parser, whose errors are one line and name the flag."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from optuna_ofa._suggestions import did_you_mean
from optuna_ofa._urls import shown_storage, shown_url
from optuna_ofa.exceptions import InvalidArgumentError

USAGE = 2  # exit code of wrong arguments


# words of a message that may be the URL of a storage, without the punctuation after them
_URL = re.compile(r"\S*(?:://|@)\S*?(?=[?.,;)'\"]*(?:\s|$))")


class Parser(argparse.ArgumentParser):
    """A parser that reports errors on one line, with a suggestion."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse arguments that the command does not have, with the command's own help."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and not self._is_top:
            flag = unknown[0].split("=")[0]
            if not flag.startswith("-") and ":" in flag:  # the URL of a storage
                flag = shown_url(unknown[0])
            self.error(f"{flag}: unknown{_end(flag, self.flags())}")
        return found, unknown

    @property
    def _is_top(self) -> bool:
        return self._subparsers is not None

    def flags(self) -> list[str]:
        """Return the flags of this parser."""
        return [flag for action in self._actions for flag in action.option_strings]

    def error(self, message: str) -> NoReturn:
        """Print one line, and exit with the code for wrong arguments."""
        text = _URL.sub(lambda found: shown_url(found[0]), _reworded(message))
        sys.stderr.write(f"error: {text} ({self.prog} --help)\n")
        sys.exit(USAGE)


def _reworded(message: str) -> str:
    """Return a message of argparse in the wording of this package."""
    message = re.sub(r"^argument ", "", message)
    missing = re.match(r"the following arguments are required: (.*)$", message)
    if missing:
        return f"{missing[1]} must be given"
    choice = re.match(r"([^:]+): invalid choice: '?(.*?)'? \(choose from (.*)\)$", message)
    if choice:
        known = [name.strip("' ") for name in choice[3].split(",")]
        what = "" if choice[1] == "command" else f"{choice[1]} "
        return f"{what}{choice[2]}: must be one of {', '.join(known)}{_end(choice[2], known)}"
    return message


def _end(word: str, known: Iterable[str]) -> str:
    return did_you_mean(word, known).rstrip(".").replace("'", "")


def whole(text: str) -> int:
    """Parse a whole number that is not negative.

    Raises:
        argparse.ArgumentTypeError: If it is anything else.
    """
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 or more, but got {text!r}")
    return int(text)


def positive(text: str) -> int:
    """Parse a whole number above 0.

    Raises:
        argparse.ArgumentTypeError: If it is anything else.
    """
    if not text.strip().isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, but got {text!r}")
    return int(text)


def port(text: str) -> int:
    """Parse the number of a port.

    Raises:
        argparse.ArgumentTypeError: If it is anything else.
    """
    if not text.strip().isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, but got {text!r}")
    return int(text)


def number(text: str) -> float:
    """Parse a number.

    Raises:
        argparse.ArgumentTypeError: If it is anything else.
    """
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, but got {text!r}") from error


def seconds(text: str) -> float:
    """Parse a number that is not negative.

    Raises:
        argparse.ArgumentTypeError: If it is anything else.
    """
    value = number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"must be a number, 0 or more, but got {text!r}")
    return value


def storage(text: str) -> str:
    """Return the URL of a storage.

    Raises:
        argparse.ArgumentTypeError: If it is not a URL, such as the path of a file.
    """
    if "://" not in text:
        meant = f"sqlite:///{text if text and shown_url(text) == text else 'nas.db'}"
        raise argparse.ArgumentTypeError(
            f"must be a URL, but got {shown_storage(text)}; did you mean {meant}?"
        )
    return text


def limit(text: str) -> tuple[str, float]:
    """Parse ``latency_ms=20``.

    Raises:
        argparse.ArgumentTypeError: If it is not a metric with a number.
    """
    name, _, value = text.partition("=")
    try:
        if not name.isidentifier():
            raise ValueError(name)
        return name, float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"must be METRIC=VALUE, such as latency_ms=20, but got {text!r}"
        ) from error


def limits(pairs: Sequence[tuple[str, float]], metrics: Sequence[str]) -> dict[str, float]:
    """Return limits by metric; the last one if a metric has several.

    Raises:
        InvalidArgumentError: If a limit is on any other metric.
    """
    for metric, _ in pairs:
        if metric not in metrics:
            raise InvalidArgumentError(
                f"`constraints[{metric!r}]` must be a limit on one of {', '.join(metrics)}"
                f"{did_you_mean(metric, metrics)}"
            )
    return dict(pairs)
