"""One file from the network: from the first address that has it, continued after a cut, checked before it counts.

A file ``data.zip`` comes into ``.data.zip.part``; ``.data.zip.part.json`` says where from. Only once its size and its checksum are
right is it renamed. Where a checksum is not known beforehand, that of the first download is kept in ``data.zip.sha256``, and later
downloads must equal it. Of processes that want a file at once, one fetches it and the others wait.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import filelock
from tqdm import tqdm

__all__ = ["DownloadError", "RemoteFile", "UnavailableError", "fetch", "forget", "is_there"]

CHUNK = 1 << 18  # bytes
TRIES = 5  # without a byte coming, of one address
PAUSE = 1.0  # seconds before the second try; doubled each time
TIMEOUT = 30.0  # seconds without an answer
SPARE = 1 << 24  # bytes of the disk that are left free


class DownloadError(OSError):
    """A file that cannot be had: what was tried, and what is kept."""


class UnavailableError(DownloadError):
    """No address has the file."""


class _RefusedError(Exception):
    """An address that is of no use; another one may be."""


class _CutError(Exception):
    """A transfer that ended early; the same address may go on."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the network.

    Attributes:
        name: under which it is kept.
        urls: its addresses, best first; all have the same bytes.
        size: in bytes; None: not known beforehand.
        sha256: of its bytes, in hexadecimal; None: that of the first download counts.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None


def fetch(file: RemoteFile, folder: Path) -> Path:
    """The path of a file, which is downloaded unless it is there; one that is there is taken as it is if its size is right.

    Raises:
        DownloadError: no address has it, it is not the file that is wanted, or the disk is full; in one line. What came
            stays for the next call, unless it is wrong.
    """
    target = folder / file.name
    if is_there(file, target):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / f".{file.name}.lock"):
            if not is_there(file, target):
                _Transfer(file, target).run()
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(f"cannot write {file.name} to {folder}: {error.strerror or error}") from error
    return target


def is_there(file: RemoteFile, target: Path) -> bool:
    """Whether a path holds the file, as its size tells."""
    size = file.size if file.size is not None else _kept(target).get("size")
    return target.is_file() and size in (None, target.stat().st_size)


def forget(target: Path) -> None:
    """Remove a file that is of no use, and what was kept of it: the next call fetches whatever comes then."""
    target.unlink(missing_ok=True)
    _record(target).unlink(missing_ok=True)


def _kept(target: Path) -> dict[str, Any]:
    """Size and checksum of the first download, or nothing."""
    try:
        kept = json.loads(_record(target).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _record(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


class _Transfer:
    """The download of one file, by whoever holds its lock."""

    def __init__(self, file: RemoteFile, target: Path) -> None:
        kept = _kept(target)
        self.file, self.target = file, target
        self.size: int | None = file.size if file.size is not None else kept.get("size")
        self.sha256: str | None = file.sha256 or kept.get("sha256")
        self.part = target.with_name(f".{target.name}.part")
        self.about = target.with_name(f".{target.name}.part.json")
        self.answered: set[str] = set()

    def run(self) -> None:
        """Try address after address.

        Raises:
            DownloadError: none of them was of use.
            OSError: the disk cannot be written.
        """
        reasons = []
        for url in self.file.urls:
            try:
                self._from(url)
            except _RefusedError as error:
                reasons.append(f"{url}: {error}")
            else:
                self._finish()
                return
        raise UnavailableError(f"cannot download {self.file.name} from {'; '.join(reasons)}. {self._what_is_kept()}")

    def _what_is_kept(self) -> str:
        by_hand = f"By hand: put it into {self.target.parent}"
        have = self._have()
        if not have:
            return by_hand
        of = "" if self.size is None else f" of {self.size:,}"
        return f"{have:,}{of} bytes are kept, the next attempt goes on from there. {by_hand}"

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _from(self, url: str) -> None:
        """Bring the whole file from one address, going on after cuts; raises _RefusedError."""
        silent, again = 0, self._have() > 0
        while True:
            before = self._have()
            try:
                self._transfer(url)
            except _CutError as error:
                silent = silent + 1 if self._have() <= before else 0
                if silent >= TRIES:
                    raise _RefusedError(str(error)) from error
                time.sleep(PAUSE * 2 ** max(silent - 1, 0))
                continue
            try:
                self._check()
            except _RefusedError:
                self._discard()
                if not again:
                    raise
                again = False  # what was begun elsewhere or long ago may not fit: once more, from the start
                continue
            return

    def _transfer(self, url: str) -> None:
        """One request; appends to what is there. Raises _CutError or _RefusedError."""
        have = self._have()
        if self.size is not None and have == self.size:
            return
        if have and not self._belongs(url):
            self._discard()
            have = 0
        request = urllib.request.Request(url, headers={"User-Agent": "lightning-gans", "Accept-Encoding": "identity"})
        if have:
            request.add_header("Range", f"bytes={have}-")
            validator = self._told().get("validator")
            if validator and self._told().get("url") == url:
                request.add_header("If-Range", str(validator))
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                self._receive(url, answer, have)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing beyond what we have: it is whole, or of another file
                if self.size is None:
                    return
                self._discard()
                raise _CutError(f"it has less than {have:,} bytes") from error
            if error.code in (408, 429, 500, 502, 503, 504):
                raise _CutError(f"HTTP {error.code} {error.reason}") from error
            raise _RefusedError(f"HTTP {error.code} {error.reason}") from error
        except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise _CutError(_one_line(error)) from error
        except urllib.error.URLError as error:  # no connection: of no use, unless the address has answered before
            kind = _CutError if url in self.answered else _RefusedError
            raise kind(_one_line(error.reason)) from error

    def _receive(self, url: str, answer: Any, have: int) -> None:
        self.answered.add(url)
        going_on = answer.status == 206 and str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-")
        if not going_on:
            have = 0
        length = answer.headers.get("Content-Length")
        whole = None if length is None else have + int(length)
        if self.size is not None and whole not in (None, self.size):
            raise _RefusedError(f"it has {whole:,} bytes, not {self.size:,}")
        self._check_space(None if whole is None else whole - have)
        told = {"url": url, "validator": _validator(answer.headers)}
        self.about.write_text(json.dumps(told), encoding="utf-8")
        with open(self.part, "ab" if going_on else "wb") as part, _bar(self.file.name, have, whole) as bar:
            self._copy(answer, part, bar)
        if whole is not None and self._have() < whole:
            raise _CutError(f"the connection was cut after {self._have():,} of {whole:,} bytes")

    def _copy(self, answer: Any, part: IO[bytes], bar: tqdm[Any]) -> None:
        while True:
            chunk = answer.read(CHUNK)
            if not chunk:
                return
            try:
                part.write(chunk)
                part.flush()
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise self._full() from error
                raise
            bar.update(len(chunk))

    def _check_space(self, coming: int | None) -> None:
        if coming is not None and shutil.disk_usage(self.target.parent).free < coming + SPARE:
            raise self._full(coming)

    def _full(self, coming: int | None = None) -> DownloadError:
        free = shutil.disk_usage(self.target.parent).free
        needs = "" if coming is None else f"{coming:,} bytes are to come, "
        return DownloadError(
            f"no space for {self.file.name} in {self.target.parent}: {needs}{free:,} are free; free some, or choose another "
            f"folder with --data.root or LIGHTNING_GANS_DATA. {self._what_is_kept()}"
        )

    def _belongs(self, url: str) -> bool:
        """Whether what is there may be continued from an address: its own, or any if the result can be checked."""
        told = self._told()
        return self.sha256 is not None or (told.get("url") == url and bool(told.get("validator")))

    def _told(self) -> Mapping[str, Any]:
        try:
            told = json.loads(self.about.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _discard(self) -> None:
        for path in (self.part, self.about):
            path.unlink(missing_ok=True)

    def _check(self) -> None:
        """Raises _RefusedError if what came is not the file that is wanted."""
        if not self.part.is_file():
            raise _RefusedError("it is empty")
        if self.size not in (None, self._have()):
            raise _RefusedError(f"{self._have():,} bytes came, not {self.size:,}")
        self._digest = _sha256(self.part)
        if self.sha256 not in (None, self._digest):
            raise _RefusedError(f"its SHA-256 is {self._digest}, not {self.sha256}")

    def _finish(self) -> None:
        """Give the file its name, once what tells it from others is kept."""
        if self.file.sha256 is None:
            kept = {"size": self._have(), "sha256": self._digest, "url": self._told().get("url")}
            beside = self.about.with_suffix(".new")
            beside.write_text(json.dumps(kept), encoding="utf-8")
            os.replace(beside, _record(self.target))
        with open(self.part, "rb+") as part:
            os.fsync(part.fileno())  # or a power cut after the renaming could leave a file of nothing
        os.replace(self.part, self.target)
        with suppress(OSError):
            self.about.unlink()


def _validator(headers: Any) -> str | None:
    """What tells whether a file has changed: a strong ETag, else the time of its last change."""
    tag: str | None = headers.get("ETag")
    changed: str | None = headers.get("Last-Modified")
    return tag if tag and not tag.startswith("W/") else changed


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _bar(name: str, have: int, whole: int | None) -> tqdm[Any]:
    return tqdm(total=whole, initial=have, desc=name, unit="B", unit_scale=True, delay=1, leave=False)


def _one_line(error: object) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
