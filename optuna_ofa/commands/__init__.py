"""The command line: ``optuna-ofa``, or ``python -m optuna_ofa``.

A command is a module with one `Command`, listed in ``_main.py``. Its ``run`` has imports of its
own, so that showing help imports neither torch nor Optuna.
"""

from optuna_ofa.commands._main import main as main

__all__: list[str] = []
