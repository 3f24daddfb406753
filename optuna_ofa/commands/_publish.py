"""The commands that show studies in Optuna Dashboard: publish and dashboard."""

from __future__ import annotations

import argparse
import contextlib
import sys

from optuna_ofa.commands._arguments import add_limits, add_storage, add_study
from optuna_ofa.commands._command import Arguments, Command, Output, load
from optuna_ofa.commands._parser import port, storage

_VIEW = "sqlite:///optuna_ofa.view.db"
_HOST, _PORT = "127.0.0.1", 8080


def _add_publish(parser: argparse.ArgumentParser) -> None:
    add_study(parser)
    add_limits(parser)
    parser.add_argument(
        "--into",
        type=storage,
        default=_VIEW,
        help="database for a copy with few trials, which the dashboard opens quickly, or the "
        f"database of --storage, to which the figures are then added (default: {_VIEW})",
    )


def _run_publish(arguments: Arguments) -> Output:
    from optuna_ofa._arguments import argument_called
    from optuna_ofa._progress import stage
    from optuna_ofa._urls import shown_url
    from optuna_ofa.commands import _places, _studies

    _places.require_database(arguments["into"], "into")
    study = _studies.open_study(arguments)
    load("dashboard")
    from optuna_ofa.dashboard import publish_view

    into = arguments["into"]
    options = {"limits": arguments["limits"], "kind": arguments["kind"]}
    with stage("drawing the figures"), argument_called("into", "storage"):
        if into == arguments["storage"]:
            study.publish(**options)
            shown = study
        else:
            shown = publish_view(study, into, **options)
    command = f"optuna-ofa dashboard --storage {shown_url(into)}"
    url = address(shown.store.study_id)
    n = len(shown.get_trials(deepcopy=False))
    text = (
        f"{study.study_name} is published in {shown_url(into)}, with {n:,} trials; to see it:\n"
        f"  {command}\n  {url}"
    )
    data = {"study": study.study_name, "storage": shown_url(into), "command": command, "url": url}
    return Output(text, data)


def address(study_id: int | None, host: str = _HOST, port: int = _PORT) -> str:
    """Return the address of a study in the dashboard, or of the list of studies."""
    page = "" if study_id is None else f"/studies/{study_id}"
    return f"http://{host}:{port}/dashboard{page}"


PUBLISH = Command(
    "publish",
    "show figures and the best subnets of a study in Optuna Dashboard",
    """\
  a copy with few trials and with figures of all trials, which opens quickly:
    optuna-ofa publish --storage sqlite:///nas.db
    optuna-ofa dashboard --storage sqlite:///optuna_ofa.view.db
  in the study itself, which is better up to a few thousand trials:
    optuna-ofa publish --storage sqlite:///nas.db --into sqlite:///nas.db --limits 10 15
""",
    _add_publish,
    _run_publish,
)


def _add_dashboard(parser: argparse.ArgumentParser) -> None:
    add_storage(parser)
    parser.add_argument("--host", default=_HOST, help=f"address to listen on (default: {_HOST})")
    parser.add_argument(
        "--port", type=port, default=_PORT, help=f"0 picks a free one (default: {_PORT})"
    )
    parser.add_argument(
        "--artifact-dir", help="folder of an artifact store to which `study.publish` wrote files"
    )


def _run_dashboard(arguments: Arguments) -> Output:
    from optuna.artifacts import FileSystemArtifactStore

    from optuna_ofa.commands._studies import quiet_optuna

    load("dashboard")
    from optuna_ofa.dashboard import dashboard_app, dashboard_server
    from optuna_ofa.exceptions import InvalidArgumentError
    from optuna_ofa.storage import open_existing

    quiet_optuna()
    store = open_existing(arguments["storage"])
    studies = store.get_all_studies()
    folder = arguments["artifact_dir"]
    files = None if folder is None else FileSystemArtifactStore(folder)
    app = dashboard_app(store, artifact_store=files)
    try:
        server = dashboard_server(app, host=arguments["host"], port=arguments["port"])
    except OSError as error:
        raise InvalidArgumentError(
            f"`port` must be free on {arguments['host']}, but: {error.strerror}."
        ) from error
    with server:
        only = studies[0]._study_id if len(studies) == 1 else None
        url = address(only, arguments["host"], server.server_port)
        sys.stderr.write(f"{url}  (Ctrl-C to stop)\n")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    return Output("ended", {"url": url})


DASHBOARD = Command(
    "dashboard",
    "serve Optuna Dashboard with the figures of `publish` first",
    """\
  the database that `publish` wrote:
    optuna-ofa dashboard --storage sqlite:///optuna_ofa.view.db
""",
    _add_dashboard,
    _run_dashboard,
)
