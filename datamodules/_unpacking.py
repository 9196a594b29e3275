"""Folders of images made of what cannot be read image by image: a .tar.gz, or tables of the Hugging Face hub."""

from __future__ import annotations

import errno
import hashlib
import importlib
import itertools
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import filelock
from tqdm import tqdm

from datamodules._fetch import DownloadError, RemoteFile, UnavailableError, fetch, forget
from datamodules._pixels import EXTENSIONS

__all__ = ["corrupt", "from_hub", "unpack"]

KINDS = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG", ".png"), (b"RIFF", ".webp"))  # how files begin


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the images of a .tar.gz into a folder, which is there once it is whole, and remove the archive.

    Args:
        archive: may hold one folder, of the same name as ``folder``, that holds everything.
        folder: is made.

    Raises:
        DownloadError: the archive is corrupt, and removed then; or the disk is full, and the archive is kept.
    """
    with _made(folder) as partial:
        if partial is None:
            return
        try:
            with tarfile.open(archive, "r:gz") as packed:
                bar = tqdm(packed, desc=f"unpacking {archive.name}", unit="file", delay=1, leave=False)
                for member in bar:
                    path = PurePosixPath(member.name)
                    if member.isfile() and _wanted(path):
                        stream: Any = packed.extractfile(member)
                        target = partial.joinpath(*path.parts)
                        target.parent.mkdir(parents=True, exist_ok=True)
                        with open(target, "wb") as file:
                            shutil.copyfileobj(stream, file)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise corrupt(archive, " ".join(str(error).split()) or type(error).__name__) from error
    archive.unlink(missing_ok=True)


def corrupt(archive: Path, reason: str) -> DownloadError:
    """Remove an archive that is of no use; returns the error to raise."""
    forget(archive)
    return DownloadError(f"corrupt archive {archive}: {reason}; it is removed, the next attempt fetches it anew")


def from_hub(hub: str, repository: str, folder: Path) -> None:
    """Make trainA, trainB, testA and testB of a data set of the Hugging Face hub whose rows are imageA and imageB.

    The tables are as long as the larger domain and may repeat images of the smaller one; here each image is there once.

    Args:
        hub: address of the hub, with a slash at its end.
        repository: "owner/name".
        folder: is made, whole or not at all; tables that came are kept for the next attempt.

    Raises:
        DownloadError: pyarrow is not installed, the hub does not have it, or the disk is full.
    """
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise DownloadError(f"{hub}datasets/{repository} needs pyarrow (pip install pyarrow)") from error
    with _made(folder) as partial:
        if partial is None:
            return
        tables = partial.with_name(f".{folder.name}.tables")
        for split in ("train", "test"):
            seen: dict[str, set[str]] = {"A": set(), "B": set()}
            for table in _tables(
                f"{hub}datasets/{repository}/resolve/refs%2Fconvert%2Fparquet/default/", split, tables
            ):
                for batch in parquet.ParquetFile(table).iter_batches(64, columns=["imageA", "imageB"]):
                    for side in "AB":
                        for image in batch.column(f"image{side}").to_pylist():
                            if image is not None:
                                _keep(image["bytes"], partial / f"{split}{side}", seen[side])
        shutil.rmtree(tables, ignore_errors=True)


def _tables(address: str, split: str, folder: Path) -> Iterator[Path]:
    """The tables of a split, fetched: they are numbered, and how many there are shows when there is no more."""
    for number in itertools.count():
        file = RemoteFile(f"{split}-{number:04}.parquet", (f"{address}{split}/{number:04}.parquet",))
        try:
            yield fetch(file, folder)
        except UnavailableError as error:
            if "HTTP 404" in str(error) and (number or split == "test"):
                return
            raise


def _keep(data: bytes, folder: Path, seen: set[str]) -> None:
    """Write an image by its number, unless it is among those ``seen`` of the folder."""
    key = hashlib.sha256(data).hexdigest()
    if key in seen:
        return
    extension = next((end for start, end in KINDS if data.startswith(start)), ".bmp")  # Pillow looks at the contents
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{len(seen):06}{extension}").write_bytes(data)
    seen.add(key)


@contextmanager
def _made(folder: Path) -> Iterator[Path | None]:
    """A folder to fill, which becomes ``folder`` if nothing goes wrong; None if ``folder`` is there.

    Of processes that want it at once, one makes it and the others wait.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.with_name(f".{folder.name}.lock")):
            if folder.is_dir():
                yield None
                return
            shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
            partial.mkdir()
            try:
                yield partial
                inner = partial / folder.name
                os.replace(inner if inner.is_dir() else partial, folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except DownloadError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        free = "; free some, or choose another folder with --data.root or LIGHTNING_GANS_DATA" if full else ""
        raise DownloadError(f"cannot write images to {folder}: {error.strerror or error}{free}") from error


def _wanted(path: PurePosixPath) -> bool:
    """Whether a file of an archive is an image that is seen, and lies below the archive's own folder."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)  # ".." is hidden, too
    return not (hidden or path.is_absolute()) and path.name.lower().endswith(EXTENSIONS)
