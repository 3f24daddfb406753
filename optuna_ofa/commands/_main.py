"""The main function of the command line."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version

from optuna_ofa.commands._arguments import Command, Output
from optuna_ofa.commands._devices import COLLECT, COMPARE, GRAPHS, MEASURE, PROFILE
from optuna_ofa.commands._export import EXPORT
from optuna_ofa.commands._searches import FRONT, REPORT, SEARCH, VERIFY
from optuna_ofa.exceptions import OptunaOFAError

COMMANDS = (SEARCH, FRONT, VERIFY, REPORT, EXPORT, PROFILE, MEASURE, COMPARE, GRAPHS, COLLECT)
FAILED, INTERRUPTED = 1, 130
_ABOUT = "Search Once-for-All supernets for the best subnets on a device, and measure devices."
_END = """\
exit codes: 0 done, 1 refused or failed (one line on standard error says why),
2 wrong arguments, 130 interrupted

examples:
  optuna-ofa search --supernet ofa_mbv3_w1.0 --storage sqlite:///nas.db
  optuna-ofa front --storage sqlite:///nas.db --within latency_ms=15
  optuna-ofa search --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments; None takes those of the process.

    Returns:
        The exit code: 0, 1 where an error of this package, of Optuna or of the system was
        printed, 130 where the user interrupted.
    """
    arguments = vars(parser().parse_args(argv))
    command, as_json = arguments.pop("command"), arguments.pop("json")
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            output = command.run(arguments)
        except KeyboardInterrupt:
            sys.stderr.write("interrupted; the same command goes on where it stopped\n")
            return INTERRUPTED
        except Exception as error:
            if not _is_expected(error):
                raise
            sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
            return FAILED
    sys.stdout.write(f"{_printed(output, as_json=as_json)}\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="optuna-ofa",
        description=_ABOUT,
        epilog=_END,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=version("optuna-ofa"))
    commands = top.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        _add(commands, command)
    return top


def _add(commands: argparse._SubParsersAction[argparse.ArgumentParser], command: Command) -> None:
    own = commands.add_parser(
        command.name,
        help=command.summary,
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=f"examples:\n{command.examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(own)
    own.add_argument("--json", action="store_true", help="print JSON, for machines")
    own.set_defaults(command=command)


def _is_expected(error: Exception) -> bool:
    """Return whether the message is enough for a user, without a traceback."""
    from optuna.exceptions import OptunaError

    return isinstance(error, OptunaOFAError | OSError | OptunaError)


def _printed(output: Output, *, as_json: bool) -> str:
    return json.dumps(output.data, indent=2) if as_json else output.text


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning on one line, without its line of code."""
    sys.stderr.write(f"warning: {' '.join(str(message).split())}\n")
