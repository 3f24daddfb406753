"""The command line: ``python -m optuna_ofa``, the same as ``optuna-ofa``."""

import sys

from optuna_ofa.commands import main

if __name__ == "__main__":
    sys.exit(main())
