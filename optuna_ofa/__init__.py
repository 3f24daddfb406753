"""Hardware-aware architecture search over Once-for-All supernets, as an Optuna plugin.

A module is imported when one of its names is first used, so that the command line can show its
help without importing torch.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
__all__.remove("FrontPoint")  # fronts make their points; the name is for annotations
__version__ = version("optuna-ofa")
