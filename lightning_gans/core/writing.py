"""Files to the disk, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

__all__ = ["whole_file", "write_checkpoint"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Where to write a file whose name it gets once it is whole; its folder is made, and an old file stays until then.

    Yields:
        A path beside it, which after an error is gone.

    Raises:
        OSError: the folder cannot be made, or the file not moved.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")  # one name: what a killed process left is overwritten
    try:
        yield part
        os.replace(part, target)
    finally:
        # Not after a move; after a failure the disk must not stay full of a half file.
        with suppress(OSError):  # it may be gone, or its folder no folder
            part.unlink()


def write_checkpoint(checkpoint: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a checkpoint beside its place, then move it there: the old file stays until the new one is whole.

    Lightning's own writer makes two copies in memory and one in the system's temporary folder: another disk, perhaps a
    smaller one, from where it copies over the good file.

    Raises:
        OSError: the file cannot be written; the old one, if any, is as it was.
    """
    target = Path(path)
    try:
        with whole_file(target) as part, open(part, "wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())  # the name must not be on disk before the bytes are
    except (OSError, RuntimeError) as error:
        cause = error if isinstance(error, OSError) else error.__context__  # torch's writer hides the OSError it met
        if not isinstance(cause, OSError):
            raise
        message = f"cannot write {target}: {cause.strerror or cause} ({_free_space(target.parent)})"
        raise OSError(message + "; an earlier checkpoint of that name is untouched") from error


def _free_space(folder: Path) -> str:
    while not folder.exists():
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB free there"
