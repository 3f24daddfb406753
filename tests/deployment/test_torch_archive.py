"""Which members an archive of ``torch.export`` may have."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
import torch

from optuna_ofa.deployment._torch_archive import plain_archive


def saved(value: Any) -> bytes:
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, member in members.items():
            file.writestr(name, member)
    return content.getvalue()


def members_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


# until torch 2.7
OLDER = {
    "version": b"8.2",
    "serialized_exported_program.json": b"{}",
    "serialized_state_dict.pt": saved({"weight": torch.zeros(2)}),
    "serialized_constants.pt": b"",
    "serialized_example_inputs.pt": saved(((torch.zeros(1),), {})),
}


def test_what_this_torch_writes_is_kept() -> None:
    content = io.BytesIO()
    program = torch.export.export(torch.nn.Linear(2, 3), (torch.zeros(1, 2),), strict=False)
    torch.export.save(program, content)
    plain = plain_archive(content.getvalue())
    assert members_of(plain) == members_of(content.getvalue())


def test_what_torch_wrote_until_2_7_is_kept() -> None:
    assert members_of(plain_archive(archive(OLDER))) == OLDER


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("net/archive_version", "2 folders"),
        ("serialized_state_dict.json", "member 'serialized_state_dict.json'"),
        ("extra_files/a", "member 'extra_files/a'"),
    ],
)
def test_other_members_are_refused(name: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        plain_archive(archive({**OLDER, name: b"{}"}))
