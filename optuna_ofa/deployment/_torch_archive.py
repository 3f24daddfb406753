"""Archives of ``torch.export``, inspected before torch reads them."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping

from optuna_ofa._tensors import open_archive, parse_tensors

# everything `torch.export.save` writes for our networks: no compiled libraries, no objects
_MEMBERS = re.compile(
    r"(?P<top>[^/]+)/(?:data/weights/weight_\d+|data/constants/tensor_\d+|"
    r"(?P<config>data/(?:weights/model_weights|constants/model_constants)_config\.json)|"
    r"(?P<pickle>data/sample_inputs/model\.pt)|models/model\.json|archive_format|"
    r"archive_version|byteorder|\.format_version|\.storage_alignment|"
    r"\.data/(?:version|serialization_id))"
    # until torch 2.7
    r"|version|serialized_exported_program\.json|"
    r"(?P<tensors>serialized_(?:state_dict|constants|example_inputs)\.pt)"
)


def plain_archive(content: bytes) -> bytes:
    """Return an archive with the same members, after checking that none pickles objects.

    `torch.export.load` reads any pickle. So weights and constants must be plain numbers, and the
    pickles of the example, and until torch 2.7 of the weights and constants, must be readable by
    `torch.load` with ``weights_only=True``. The archive is rewritten for torch, because two
    readers may find different members in one archive.

    Raises:
        ValueError, KeyError, zipfile.BadZipFile: If it is not such an archive.
    """
    with open_archive(content) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    _require_plain(members)
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return plain.getvalue()


def _require_plain(members: Mapping[str, bytes]) -> None:
    tops = set()
    for name, member in members.items():
        found = _MEMBERS.fullmatch(name)
        if found is None:
            raise ValueError(f"it has a member {name!r:.100}")
        tops.add(found["top"])
        if found["config"]:
            _require_numbers(member)
        if found["pickle"] or (found["tensors"] and member):
            _require_tensors(member)
    if len(tops) != 1:
        raise ValueError(f"it has {len(tops)} folders")


def _require_numbers(config: bytes) -> None:
    for name, entry in json.loads(config)["config"].items():
        if entry["use_pickle"] is not False:
            raise ValueError(f"its {name!r:.100} is a pickle")


def _require_tensors(member: bytes) -> None:
    try:
        parse_tensors(member)
    except ValueError as error:
        raise ValueError("it has a pickle of objects") from error
