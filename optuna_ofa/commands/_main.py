"""The main function of the command line."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from optuna_ofa.commands._command import Command, Output
from optuna_ofa.commands._devices import COLLECT, COMPARE, GRAPHS, MEASURE, PROFILE
from optuna_ofa.commands._export import EXPORT
from optuna_ofa.commands._flags import Flags
from optuna_ofa.commands._lists import BOARDS, DEVICES, FAMILIES, STUDIES
from optuna_ofa.commands._parser import USAGE, Parser
from optuna_ofa.commands._publish import DASHBOARD, PUBLISH
from optuna_ofa.commands._results import FRONT, REPORT
from optuna_ofa.commands._search import SEARCH
from optuna_ofa.commands._supernet_from import SUPERNET_FROM
from optuna_ofa.commands._verify import VERIFY
from optuna_ofa.exceptions import OptunaOFAError

_OF_STUDIES = (SEARCH, FRONT, VERIFY, REPORT, PUBLISH, DASHBOARD, EXPORT)
_OF_DEVICES = (PROFILE, MEASURE, COMPARE, GRAPHS, COLLECT)
COMMANDS = (*_OF_STUDIES, SUPERNET_FROM, *_OF_DEVICES, STUDIES, FAMILIES, DEVICES, BOARDS)
FAILED, INTERRUPTED = 1, 130
_ABOUT = "Search Once-for-All supernets for the best subnets on a device, and measure devices."
_END = """\
exit codes: 0 done, 1 refused or failed (one line on standard error says why),
2 wrong arguments, 130 interrupted

examples:
  optuna-ofa search --supernet ofa_mbv3_w1.0
  optuna-ofa front --within latency_ms=15
  optuna-ofa search --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments; None uses those of the process.

    Returns:
        The exit code: 0; 1 if an error of this package, of Optuna or of the system was printed; 2
        if there is no command; 130 if the user interrupted it.
    """
    top = parser()
    given = list(sys.argv[1:] if argv is None else argv)
    if not given:
        top.print_help(sys.stderr)
        return USAGE
    arguments = vars(top.parse_args(given))
    command, own, as_json = (arguments.pop(name) for name in ("command", "parser", "json"))
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            output = command.run(arguments)
        except KeyboardInterrupt:
            kept = command.kept(arguments)
            sys.stderr.write(f"interrupted{f'; {kept}' if kept else ''}\n")
            return INTERRUPTED
        except Exception as error:
            if not _is_expected(error):
                raise
            sys.stderr.write(f"error: {Flags(own, arguments).message(_text(error))}\n")
            return FAILED
    sys.stdout.write(f"{_printed(output, as_json=as_json)}\n")
    return 0


def parser() -> Parser:
    """Return the parser of all commands."""
    top = Parser(prog="optuna-ofa", description=_ABOUT, epilog=_END)
    top.add_argument("--version", action="version", version=version("optuna-ofa"))
    commands = top.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        _add(commands, command)
    return top


def _add(commands: argparse._SubParsersAction[Any], command: Command) -> None:
    own = commands.add_parser(
        command.name,
        help=command.summary,
        description=f"{command.summary[0].upper()}{command.summary[1:]}.",
        epilog=f"examples:\n{command.examples}",
    )
    command.add_arguments(own)
    own.add_argument("--json", action="store_true", help="print JSON, for machines")
    own.set_defaults(command=command, parser=own)


def _is_expected(error: Exception) -> bool:
    """Return whether the message is enough for a user, without a traceback."""
    from optuna.exceptions import OptunaError

    return isinstance(error, OptunaOFAError | OSError | OptunaError)


def _text(error: Exception) -> str:
    """Return the message of an error; for system errors, the file and the reason."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _printed(output: Output, *, as_json: bool) -> str:
    return json.dumps(output.data, indent=2) if as_json else output.text


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning on one line, above the progress bar if there is one."""
    from tqdm import tqdm

    tqdm.write(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
