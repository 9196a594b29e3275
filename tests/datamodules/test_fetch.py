"""Downloads from a real server on the loopback: cut, continued, refused, corrupt, and no space."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import urllib.error
import urllib.request
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules import _fetch
from datamodules._fetch import DownloadError, RemoteFile, fetch
from tests.datamodules.mirror import FaultyServer

__all__: list[str] = []

BYTES = np.random.RandomState(0).bytes(1_000_003)
SHA256 = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    made = FaultyServer(BYTES)
    yield made
    made.stop()


@pytest.fixture
def mirror() -> Iterator[FaultyServer]:
    made = FaultyServer(BYTES)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fetch, "PAUSE", 0.0)


def known(*servers: FaultyServer, **facts: Any) -> RemoteFile:
    return RemoteFile("data.zip", tuple(s.url for s in servers), **{"size": len(BYTES), "sha256": SHA256, **facts})


def unknown(*servers: FaultyServer) -> RemoteFile:
    return known(*servers, size=None, sha256=None)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def refused(file: RemoteFile, folder: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch(file, folder)
    assert "\n" not in str(caught.value)
    assert not (folder / "data.zip").exists()
    return str(caught.value)


def test_a_file_is_fetched_once(server: FaultyServer, tmp_path: Path) -> None:
    path = fetch(known(server), tmp_path / "deep")
    assert path == tmp_path / "deep/data.zip"
    assert path.read_bytes() == BYTES
    assert left(path.parent) == {"data.zip"}
    assert fetch(known(server), path.parent) == path
    assert server.asked == [None]


def test_cuts_are_continued_where_they_happened(server: FaultyServer, tmp_path: Path) -> None:
    server.cuts = [300_000, 0, 5, 400_000]
    assert fetch(known(server), tmp_path).read_bytes() == BYTES
    assert server.asked == [None, *(f"bytes={n}-" for n in (300_000, 300_000, 300_005, 700_005))]


def test_a_network_that_is_away_after_a_cut_is_waited_for(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.cuts = [300_000]
    answers = iter([True, False, False, True])
    ask = urllib.request.urlopen

    def sometimes(*args: Any, **options: Any) -> Any:
        if next(answers):
            return ask(*args, **options)
        raise urllib.error.URLError(socket.gaierror("Name or service not known"))

    monkeypatch.setattr(urllib.request, "urlopen", sometimes)
    assert fetch(known(server), tmp_path).read_bytes() == BYTES
    assert server.asked == [None, "bytes=300000-"]


def test_a_run_that_was_killed_is_continued_by_the_next(server: FaultyServer, tmp_path: Path) -> None:
    server.cuts = [123_456] + [0] * _fetch.TRIES
    said = refused(known(server), tmp_path)
    assert said == (
        f"cannot download data.zip from {server.url}: the connection was cut after 123,456 of 1,000,003 bytes. "
        f"123,456 of 1,000,003 bytes are kept, the next attempt goes on from there. By hand: put it into {tmp_path}"
    )
    server.asked.clear()
    assert fetch(known(server), tmp_path).read_bytes() == BYTES
    assert server.asked == ["bytes=123456-"]
    assert left(tmp_path) == {"data.zip"}


def test_a_server_without_ranges_starts_again(server: FaultyServer, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [300_000]
    assert fetch(known(server), tmp_path).read_bytes() == BYTES
    assert len(server.asked) == 2


def test_a_file_that_changed_between_is_not_glued_together(server: FaultyServer, tmp_path: Path) -> None:
    server.cuts = [300_000] + [0] * _fetch.TRIES
    refused(unknown(server), tmp_path)
    server.content, server.etag = BYTES[::-1], '"two"'
    assert fetch(unknown(server), tmp_path).read_bytes() == BYTES[::-1]


def test_the_next_address_is_asked_where_one_has_nothing(
    server: FaultyServer, mirror: FaultyServer, tmp_path: Path
) -> None:
    server.status = 404
    assert fetch(known(server, mirror), tmp_path).read_bytes() == BYTES
    assert (len(server.asked), mirror.asked) == (1, [None])


def test_a_mirror_goes_on_with_what_another_began_if_the_result_can_be_checked(
    server: FaultyServer, mirror: FaultyServer, tmp_path: Path
) -> None:
    server.cuts = [300_000] + [0] * _fetch.TRIES
    assert fetch(known(server, mirror), tmp_path).read_bytes() == BYTES
    assert mirror.asked == ["bytes=300000-"]
    server.cuts, mirror.asked[:] = [300_000] + [0] * _fetch.TRIES, []
    assert fetch(unknown(server, mirror), tmp_path / "other").read_bytes() == BYTES
    assert mirror.asked == [None]


def test_no_address_has_it(server: FaultyServer, mirror: FaultyServer, tmp_path: Path) -> None:
    server.status, mirror.status = 404, 403
    assert refused(known(server, mirror), tmp_path) == (
        f"cannot download data.zip from {server.url}: HTTP 404 Not Found; {mirror.url}: HTTP 403 Forbidden. "
        f"By hand: put it into {tmp_path}"
    )
    assert left(tmp_path) == set()


def test_nobody_listens(server: FaultyServer, tmp_path: Path) -> None:
    server.stop()
    assert "Connection refused" in refused(known(server), tmp_path)


def test_wrong_bytes_are_thrown_away_and_the_next_address_is_asked(
    server: FaultyServer, mirror: FaultyServer, tmp_path: Path
) -> None:
    server.content = b"x" + BYTES[1:]
    wrong = hashlib.sha256(server.content).hexdigest()
    assert refused(known(server), tmp_path) == (
        f"cannot download data.zip from {server.url}: its SHA-256 is {wrong}, not {SHA256}. By hand: put it into {tmp_path}"
    )
    assert left(tmp_path) == set()
    assert fetch(known(server, mirror), tmp_path).read_bytes() == BYTES


def test_a_damaged_beginning_is_fetched_anew_from_the_same_address(server: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / ".data.zip.part").write_bytes(b"x" * 1000)
    assert fetch(known(server), tmp_path).read_bytes() == BYTES
    assert server.asked == ["bytes=1000-", None]


def test_another_size_is_refused_before_it_comes(server: FaultyServer, tmp_path: Path) -> None:
    server.content = BYTES[:-3]
    said = refused(known(server), tmp_path)
    assert said.startswith(f"cannot download data.zip from {server.url}: it has 1,000,000 bytes, not 1,000,003.")


def test_size_and_checksum_of_the_first_download_are_kept(server: FaultyServer, tmp_path: Path) -> None:
    path = fetch(unknown(server), tmp_path)
    kept = json.loads((tmp_path / "data.zip.sha256").read_text())
    assert kept == {"size": len(BYTES), "sha256": SHA256, "url": server.url}
    path.unlink()
    server.content = b"x" + BYTES[1:]
    assert f"not {SHA256}" in refused(unknown(server), tmp_path)
    server.content = BYTES
    assert fetch(unknown(server), tmp_path).read_bytes() == BYTES
    path.write_bytes(b"cut")  # of another size than was kept: no longer the file
    assert fetch(unknown(server), tmp_path).read_bytes() == BYTES


def test_no_space_is_told_before_anything_comes(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(_fetch.shutil, "disk_usage", lambda _: usage(10, 5, 1_234))
    assert refused(known(server), tmp_path) == (
        f"no space for data.zip in {tmp_path}: 1,000,003 bytes are to come, 1,234 are free; free some, or choose another "
        f"folder with --data.root or LIGHTNING_GANS_DATA. By hand: put it into {tmp_path}"
    )


def test_a_disk_that_fills_up_keeps_what_came(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = _fetch._Transfer._copy

    class Full:
        def __init__(self, part: Any) -> None:
            self.part = part

        def write(self, chunk: bytes) -> None:
            if self.part.tell() + len(chunk) > 600_000:
                raise OSError(28, "No space left on device")
            self.part.write(chunk)

        def flush(self) -> None:
            self.part.flush()

    monkeypatch.setattr(_fetch._Transfer, "_copy", lambda self, answer, part, bar: copy(self, answer, Full(part), bar))
    said = refused(known(server), tmp_path)
    assert said.startswith(f"no space for data.zip in {tmp_path}: ")
    kept = (tmp_path / ".data.zip.part").stat().st_size
    assert kept > 300_000
    assert f"{kept:,} of 1,000,003 bytes are kept" in said
    monkeypatch.undo()
    assert fetch(known(server), tmp_path).read_bytes() == BYTES
    assert server.asked[-1] == f"bytes={kept}-"


def test_a_folder_that_cannot_be_made(server: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match=r"^cannot write data.zip to .*file/deep: Not a directory$"):
        fetch(known(server), tmp_path / "file/deep")


def test_of_two_at_once_one_fetches(server: FaultyServer, tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(fetch(known(server), tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / "data.zip"] * 4
    assert server.asked == [None]
