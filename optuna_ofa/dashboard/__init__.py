"""Studies in Optuna Dashboard: pictures, notes and artifacts, which `publish` puts there."""

from optuna_ofa.dashboard._every import PublishEvery
from optuna_ofa.dashboard._publish import Published, publish

__all__ = ["PublishEvery", "Published", "publish"]
