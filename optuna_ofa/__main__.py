"""The command line: ``python -m optuna_ofa``."""

from optuna_ofa._commands import main

if __name__ == "__main__":
    main()
