"""Files are written whole or not at all, and a full disk says so."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_gans.core.writing import whole_file, write_checkpoint


def test_a_file_gets_its_name_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.md"
    with whole_file(path) as part:
        part.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    with pytest.raises(UnicodeEncodeError), whole_file(path) as part:
        part.write_text("half, then a lone surrogate: \ud800", encoding="utf-8")
    assert path.read_text() == "first"
    assert os.listdir(path.parent) == ["table.md"]


def test_no_space_when_the_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint({"a": torch.zeros(3)}, path)
    before = path.read_bytes()

    def half(checkpoint: Any, file: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match=r"^cannot write .*last\.ckpt: No space left on device \(\d+ MiB free there\); "):
        write_checkpoint({"a": torch.ones(3)}, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["last.ckpt"]


def test_other_errors_of_writing_are_not_renamed(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="pickle"):
        write_checkpoint({"a": lambda: None}, tmp_path / "last.ckpt")
    assert os.listdir(tmp_path) == []
