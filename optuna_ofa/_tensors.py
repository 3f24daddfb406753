"""Reading torch files: tensors and plain values, never objects that could run code."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from optuna_ofa._quiet import quiet
from optuna_ofa.exceptions import FormatError


def read_tensors(path: Path, rule: str, *, mmap: bool | None = None) -> Any:
    """Return the content of a torch file that holds only tensors and plain values.

    Args:
        path: The file.
        rule: Beginning of the message: "`weights` must be a checkpoint of tensors".
        mmap: Whether to memory-map the tensors instead of reading them at once.

    Raises:
        FormatError: If it is missing, damaged, or holds objects of other classes.
    """
    import torch  # slow to import, and most families are given by name

    try:
        if os.path.exists(path) and not (path.is_file() or path.is_dir()):
            raise OSError("it is a pipe or a device")
        with quiet():
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except FileNotFoundError:
        raise FormatError(f"{rule}, but {path} does not exist.") from None
    except IsADirectoryError:
        raise FormatError(f"{rule}, but {path} is a folder.") from None
    except OSError as error:
        raise FormatError(f"{rule}, but {path} cannot be read: {error}.") from error
    except Exception as error:  # damaged files raise many kinds of errors
        # torch's own message suggests running any code that the file holds
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        what = "is cut off, damaged or of another format"
        if foreign is not None:
            what = f"holds objects of the class {foreign[1]}, which are not read"
        raise FormatError(f"{rule}, but {path} {what}.") from None
