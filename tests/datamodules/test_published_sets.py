"""horse2zebra, cyclegan_sets, pix2pix_sets: names; archives from real servers on the loopback, cut, wrong, missing, no space."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules import CycleGANSets, Horse2Zebra, Pix2PixSets, _fetch, _unpacking, cyclegan_sets, pix2pix_sets
from datamodules._fetch import DownloadError
from datamodules._translation import TranslationFolder
from tests.datamodules.folders import files, picture, zipped
from tests.datamodules.mirror import FaultyServer, Server
from tests.datamodules.pair_folders import domains, paired, side_by_side, tarred, told, unpaired

__all__: list[str] = []

NOWHERE = "http://127.0.0.1:9/"  # the port of "discard": nobody listens


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where data is kept by default; nothing is there, no host is known, and nobody waits between attempts."""
    monkeypatch.setenv("LIGHTNING_GANS_DATA", str(tmp_path / "kept"))
    monkeypatch.setattr(_fetch, "PAUSE", 0.0)
    monkeypatch.setattr(cyclegan_sets, "HUB", NOWHERE)
    monkeypatch.setattr(cyclegan_sets, "COPIES", {})
    return tmp_path / "kept"


@pytest.fixture
def horses(tmp_path: Path) -> Path:
    """An archive as CycleGAN's host has it."""
    return zipped(domains(tmp_path / "www/horse2zebra", trainA=3, trainB=4, testA=1, testB=2), wrapped=True)


@pytest.fixture
def facades(tmp_path: Path) -> Path:
    """An archive as Pix2Pix's host has it."""
    return tarred(side_by_side(tmp_path / "www/facades", train=3, val=1, test=2))


def hosts(monkeypatch: pytest.MonkeyPatch, module: Any, *urls: str, facts: bytes | None = None) -> None:
    monkeypatch.setattr(module, "HOSTS", urls)
    if module is cyclegan_sets:
        known = {} if facts is None else {"horse2zebra": (len(facts), hashlib.sha256(facts).hexdigest())}
        monkeypatch.setattr(module, "FACTS", known)


@pytest.fixture
def server(horses: Path) -> Iterator[FaultyServer]:
    made = FaultyServer(horses.read_bytes())
    yield made
    made.stop()


def base(server: FaultyServer) -> str:
    return server.url.removesuffix("data.zip")


def ready(cls: type[TranslationFolder], **options: Any) -> Any:
    data = cls(**{"size": 16, "load_size": 16, "flip": False, **options})  # type: ignore[arg-type]
    data.prepare_data()
    data.setup("fit")
    return data


def same(ours: TranslationFolder, theirs: TranslationFolder) -> None:
    for one, other in ((ours.train_dataset, theirs.train_dataset), (ours.test_dataset, theirs.test_dataset)):
        assert len(one) == len(other)
        for row in range(len(one)):
            assert all(torch.equal(one[row][key], other[row][key]) for key in other[row])


@pytest.mark.parametrize("cls", [Horse2Zebra, CycleGANSets])
def test_an_archive_is_fetched_once(
    cls: type[TranslationFolder], horses: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(horses.parent) as server:
        hosts(monkeypatch, cyclegan_sets, server.url, facts=horses.read_bytes())
        early = cls(size=16, load_size=16, flip=False)  # type: ignore[call-arg]
        assert early.source_shape == early.target_shape == early.image_shape == (3, 16, 16)
        assert not kept.exists()
        data = ready(cls)
        early.setup("fit")  # another process, after this one's prepare_data
        ready(cls)
        assert server.asked == {"/horse2zebra.zip": 1}
    same(data, unpaired(horses))
    same(early, data)
    assert (kept / "cyclegan_sets/horse2zebra.zip").read_bytes() == horses.read_bytes()
    assert data.source is not None
    assert "root" not in data.source["options"]
    assert data.source["options"].get("name") == (None if cls is Horse2Zebra else "horse2zebra")
    same(ready(cls, **data.source["options"]), data)


def test_a_tar_is_fetched_once_and_unpacked(facades: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(facades.parent) as server:
        hosts(monkeypatch, pix2pix_sets, server.url)
        early = Pix2PixSets(size=16, load_size=16, flip=False, direction="BtoA")
        assert early.source_shape == (3, 16, 16)
        data = ready(Pix2PixSets, name="facades")
        early.setup("fit")
        ready(Pix2PixSets)
        assert server.asked == {"/facades.tar.gz": 1}
    same(data, paired(facades.parent / "facades"))
    same(early, paired(facades.parent / "facades", direction="BtoA"))
    left = files(kept / "pix2pix_sets")
    assert left == {"facades.tar.gz.sha256", *(f"facades/{name}" for name in files(facades.parent / "facades"))}
    noted = json.loads((kept / "pix2pix_sets/facades.tar.gz.sha256").read_text())
    assert (noted["size"], noted["sha256"]) == (
        facades.stat().st_size,
        hashlib.sha256(facades.read_bytes()).hexdigest(),
    )


def test_a_cut_is_continued_by_the_same_run_and_by_the_next(
    server: FaultyServer, horses: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts(monkeypatch, cyclegan_sets, base(server), facts=server.content)
    server.cuts = [1000, 500] + [0] * _fetch.TRIES
    said = told(ready, CycleGANSets)
    size = f"{len(server.content):,}"
    assert said.startswith(
        f"cannot download horse2zebra.zip from {base(server)}horse2zebra.zip: the connection was cut after 1,500 of {size} bytes. "
        f"1,500 of {size} bytes are kept, the next attempt goes on from there. By hand: put it into {kept}/cyclegan_sets"
    )
    assert server.asked[:3] == [None, "bytes=1000-", "bytes=1500-"]
    server.asked.clear()
    server.cuts.clear()
    same(ready(CycleGANSets), unpaired(horses))
    assert server.asked == ["bytes=1500-"]


def test_a_wrong_checksum_is_refused_and_the_next_host_asked(
    server: FaultyServer, horses: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = horses.read_bytes()
    server.content = right[:-1] + b"x"
    wrong = hashlib.sha256(server.content).hexdigest()
    hosts(monkeypatch, cyclegan_sets, base(server), facts=right)
    said = told(ready, CycleGANSets)
    assert f"its SHA-256 is {wrong}, not {hashlib.sha256(right).hexdigest()}" in said
    assert files(kept) == set()
    with Server(horses.parent) as mirror:
        hosts(monkeypatch, cyclegan_sets, base(server), mirror.url, facts=right)
        same(ready(CycleGANSets), unpaired(horses))


def test_a_checksum_of_the_first_download_counts_for_later_ones(
    server: FaultyServer, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts(monkeypatch, cyclegan_sets, base(server))
    ready(CycleGANSets)
    (kept / "cyclegan_sets/horse2zebra.zip").unlink()
    server.content = server.content[:-1] + b"x"
    assert "its SHA-256 is " in told(ready, CycleGANSets)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_host_that_has_it_no_more_is_followed_by_the_next(
    status: int, server: FaultyServer, horses: Path, facades: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.status = status
    with Server(horses.parent) as mirror:
        hosts(monkeypatch, cyclegan_sets, base(server), mirror.url)
        hosts(monkeypatch, pix2pix_sets, base(server), mirror.url)
        same(ready(CycleGANSets), unpaired(horses))
        same(ready(Pix2PixSets), paired(facades.parent / "facades"))
        assert len(server.asked) == 2
        assert mirror.asked == {"/horse2zebra.zip": 1, "/facades.tar.gz": 1}


def test_copies_elsewhere_come_after_the_hosts(
    server: FaultyServer, horses: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.status = 404
    with Server(horses.parent) as mirror:
        hosts(monkeypatch, cyclegan_sets, base(server))
        monkeypatch.setattr(cyclegan_sets, "COPIES", {"horse2zebra": (f"{mirror.url}horse2zebra.zip",)})
        same(ready(Horse2Zebra), unpaired(horses))


class Full:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def write(self, chunk: bytes) -> None:
        self.room -= len(chunk)
        if self.room < 0:
            raise OSError(28, "No space left on device")
        self.file.write(chunk)

    def flush(self) -> None:
        self.file.flush()


def test_a_disk_that_fills_up_while_it_comes(
    server: FaultyServer, horses: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts(monkeypatch, cyclegan_sets, base(server), facts=server.content)
    copy = _fetch._Transfer._copy
    with monkeypatch.context() as patched:
        patched.setattr(_fetch, "CHUNK", 1024)
        patched.setattr(
            _fetch._Transfer, "_copy", lambda self, answer, part, bar: copy(self, answer, Full(part, 2500), bar)
        )
        said = told(ready, CycleGANSets)
    assert said.startswith(f"no space for horse2zebra.zip in {kept}/cyclegan_sets: ")
    assert f"2,048 of {len(server.content):,} bytes are kept" in said
    same(ready(CycleGANSets), unpaired(horses))
    assert server.asked[-1] == "bytes=2048-"


def test_a_disk_that_fills_up_while_it_is_unpacked(facades: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = shutil.copyfileobj

    def full(data: Any, file: Any) -> None:
        copy(data, Full(file, 100) if hasattr(file, "name") else file)  # the server uses it, too

    with Server(facades.parent) as server:
        hosts(monkeypatch, pix2pix_sets, server.url)
        with monkeypatch.context() as patched:
            patched.setattr(shutil, "copyfileobj", full)
            said = told(ready, Pix2PixSets)
        assert said == (
            f"cannot write images to {kept}/pix2pix_sets/facades: No space left on device; free some, or choose another folder "
            "with --data.root or LIGHTNING_GANS_DATA"
        )
        assert files(kept) == {"pix2pix_sets/facades.tar.gz", "pix2pix_sets/facades.tar.gz.sha256"}  # nothing half done
        same(ready(Pix2PixSets), paired(facades.parent / "facades"))
        assert server.asked == {"/facades.tar.gz": 1}


@pytest.mark.parametrize("damage", ["text", "cut"])
def test_an_archive_that_is_none(damage: str, facades: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = facades.read_bytes()
    facades.write_bytes(b"<html>moved</html>" if damage == "text" else whole[: len(whole) // 2])
    with Server(facades.parent) as server:
        hosts(monkeypatch, pix2pix_sets, server.url)
        said = told(ready, Pix2PixSets)
        assert said.startswith(f"corrupt archive {kept}/pix2pix_sets/facades.tar.gz: ")
        assert said.endswith("; it is removed, the next attempt fetches it anew")
        assert files(kept) == set()
        facades.write_bytes(whole)
        assert len(ready(Pix2PixSets).train_dataset) == 3


def test_a_page_in_place_of_a_zip(
    server: FaultyServer, horses: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content = b"<html>moved</html>"
    hosts(monkeypatch, cyclegan_sets, base(server))
    assert told(ready, CycleGANSets) == (
        f"corrupt archive {kept}/cyclegan_sets/horse2zebra.zip: it is no .zip; it is removed, the next attempt fetches it anew"
    )
    assert files(kept) == set()
    server.content = horses.read_bytes()
    same(ready(CycleGANSets), unpaired(horses))


def test_nothing_is_written_outside_and_no_images_are_left_out(tmp_path: Path) -> None:
    file = io.BytesIO()
    picture(0).save(file, "png")
    archive = tmp_path / "in/facades.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as packed:
        for name in ("../out.png", "/abs.png", "facades/train/1.png", "facades/train/._1.png", "facades/notes.txt"):
            info = tarfile.TarInfo(name)
            info.size = len(file.getvalue())
            packed.addfile(info, io.BytesIO(file.getvalue()))
        link = tarfile.TarInfo("facades/train/2.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
    _unpacking.unpack(archive, tmp_path / "in/facades")
    assert files(tmp_path) == {"in/facades/train/1.png"}


def test_nobody_has_it(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)  # not installed
    hosts(monkeypatch, cyclegan_sets, NOWHERE)
    hosts(monkeypatch, pix2pix_sets, NOWHERE)
    said = told(ready, CycleGANSets, name="monet2photo")
    assert said.startswith(f"cannot download monet2photo.zip from {NOWHERE}monet2photo.zip: ")
    assert said.endswith(
        f"; nor from the mirror: {NOWHERE}datasets/huggan/monet2photo needs pyarrow (pip install pyarrow)"
    )
    said = told(ready, Pix2PixSets, name="maps")
    assert said.startswith(f"cannot download maps.tar.gz from {NOWHERE}maps.tar.gz: ")


def test_the_hubs_tables(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables to train on and one to test with; the smaller domain is repeated in them."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    root = domains(tmp_path / "horse2zebra", trainA=3, trainB=5, testA=1, testB=2)
    place = tmp_path / "hub/datasets/huggan/horse2zebra/resolve/refs/convert/parquet/default"
    for split, parts in (("train", ((0, 1, 2), (3, 4))), ("test", ((0, 1),))):
        (place / split).mkdir(parents=True)
        for number, rows in enumerate(parts):
            columns = {}
            for side in "AB":
                pictures = sorted((root / f"{split}{side}").iterdir())
                chosen = [pictures[row % len(pictures)] for row in rows]
                columns[f"image{side}"] = [{"bytes": path.read_bytes(), "path": path.name} for path in chosen]
            parquet.write_table(pyarrow.table(columns), place / split / f"{number:04}.parquet")
    with Server(tmp_path / "hub") as hub:
        hosts(monkeypatch, cyclegan_sets, NOWHERE, facts=b"another file")
        monkeypatch.setattr(cyclegan_sets, "HUB", hub.url)
        same(ready(Horse2Zebra), unpaired(root))
        asked = hub.asked.total()
        ready(Horse2Zebra)
        assert hub.asked.total() == asked == 5  # three tables, and twice that there is no more
    assert {name.rpartition("/")[0] for name in files(kept)} == {
        f"cyclegan_sets/horse2zebra/{folder}" for folder in ("trainA", "trainB", "testA", "testB")
    }
    with pytest.raises(DownloadError, match="HTTP 404"), Server(tmp_path / "hub") as hub:
        _unpacking.from_hub(hub.url, "huggan/other", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_is_there_is_taken_as_it_is(tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts(monkeypatch, cyclegan_sets, NOWHERE)
    own = domains(tmp_path / "sets/monet2photo", trainA=1, trainB=2)
    for root in (tmp_path / "sets", own):  # the collection's folder, or the set's own
        data = ready(CycleGANSets, name="monet2photo", root=root)
        same(data, unpaired(own))
        assert data.source is not None
        assert data.source["options"]["root"] == str(root)
    assert not kept.exists()


def test_without_a_download_and_by_hand(tmp_path: Path, kept: Path) -> None:
    where = kept / "cyclegan_sets"
    assert told(ready, CycleGANSets, name="maps", download=False) == (
        f"maps of cyclegan_sets not found in {where}; download is off. By hand: put its folder or maps.zip there"
    )
    assert told(ready, CycleGANSets, name="cityscapes") == (
        f"cityscapes of cyclegan_sets not found in {where}; its licence forbids to host it. By hand: register at "
        "cityscapes-dataset.com and put trainA, trainB (testA, testB) into a folder cityscapes there"
    )
    side_by_side(kept / "pix2pix_sets/cityscapes", train=2, val=1)
    assert len(ready(Pix2PixSets, name="cityscapes").train_dataset) == 2


def test_names() -> None:
    assert set(CycleGANSets.names) == {
        *("apple2orange", "summer2winter_yosemite", "horse2zebra", "monet2photo", "cezanne2photo", "ukiyoe2photo"),
        *("vangogh2photo", "maps", "cityscapes", "facades", "iphone2dslr_flower", "ae_photos"),
    }
    assert set(Pix2PixSets.names) == {"cityscapes", "night2day", "edges2handbags", "edges2shoes", "facades", "maps"}
    choices = ", ".join(CycleGANSets.names)
    assert told(CycleGANSets, name="money2photo", kind=ValueError) == (
        f"unknown name 'money2photo' of cyclegan_sets. Did you mean 'monet2photo'? Choose from: {choices}"
    )
    assert told(Pix2PixSets, name="horse2zebra", kind=ValueError) == (
        "unknown name 'horse2zebra' of pix2pix_sets. Choose from: cityscapes, edges2handbags, edges2shoes, facades, maps, night2day"
    )
    assert all(url.startswith("http") and url.endswith("/") for url in (*cyclegan_sets.HOSTS, *pix2pix_sets.HOSTS))
    assert all(len(sha256) == 64 for _, sha256 in cyclegan_sets.FACTS.values())
