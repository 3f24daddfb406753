"""Studies in Optuna Dashboard: figures, notes and artifacts written by `publish`."""

from optuna_ofa.dashboard._publish import Published, PublishEvery, publish
from optuna_ofa.dashboard._server import (
    dashboard_app as dashboard_app,
    dashboard_server as dashboard_server,
)
from optuna_ofa.dashboard._view import publish_view

__all__ = ["PublishEvery", "Published", "publish", "publish_view"]
