"""anime_faces: tags from files, in any form; the public archive fetched, opened late, and once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules import AnimeFaces, ImageFolder, anime_faces
from datamodules._fetch import RemoteFile
from tests.datamodules.folders import folder, refused, zipped
from tests.datamodules.mirror import Server

__all__: list[str] = []

NAMES = ("1.png", "2.png", "a/3.png")
FILES: list[tuple[str, str, list[str]]] = [
    ("tags.csv", "file,tags\n1.png,smile; blue hair\n2.png,hat\na/3.png,\n", ["blue hair", "hat", "smile"]),
    (
        "tags.csv",
        "file,smile,hat,Blue hair\n1.png,1,0,1\n2.png,0,1,0\na\\3.png,-1,-1,-1\n",
        ["smile", "hat", "Blue hair"],
    ),
    ("tags.json", '{"1.png": ["smile", "blue hair"], "2.png": ["hat"], "a/3.png": []}', ["blue hair", "hat", "smile"]),
    ("tags.json", '{"labels": [["1.png", ["b", "a"]], ["2.png", ["c"]], ["a/3.png", []]]}', ["a", "c", "b"]),
]


def ready(**options: Any) -> AnimeFaces:
    data = AnimeFaces(**{"size": 16, "batch_size": 3, **options})
    data.prepare_data()
    data.setup("fit")
    return data


@pytest.mark.parametrize(("file", "text", "tags"), FILES)
def test_tags_of_a_file(tmp_path: Path, file: str, text: str, tags: list[str]) -> None:
    root = folder(tmp_path / "p", *NAMES)
    (root / file).write_text(text)
    columns = sorted(tags) if "labels" in text else tags
    for where in (root, zipped(root), zipped(root, wrapped=True)):
        data = ready(root=where)
        assert (data.tags, data.num_classes, data.class_names) == (columns, None, None)
        batch = data.train_dataset.__getitems__([0, 1, 2])
        assert set(batch) == {"images", "tags"}
        assert batch["tags"].dtype == torch.float32
        for row, name in enumerate(NAMES):
            named = {tag for tag, on in zip(columns, batch["tags"][row].tolist(), strict=True) if on}
            assert {tag.lower() for tag in named} == {
                "1.png": {"smile", "blue hair"} if "hat" in tags else {"a", "b"},
                "2.png": {"hat"} if "hat" in tags else {"c"},
                "a/3.png": set(),
            }[name]


def test_tags_of_any_folder_and_of_a_named_file(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", *NAMES)
    (tmp_path / "mine.json").write_text(FILES[2][1])
    for data in (
        ImageFolder(root=root, labels=str(tmp_path / "mine.json")),
        AnimeFaces(root=root, labels=str(tmp_path / "mine.json")),
    ):
        assert data.tags == FILES[2][2]
        assert data.source is not None
        assert data.source["options"]["labels"] == str(tmp_path / "mine.json")


def test_without_a_file_there_are_no_tags(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", "a/1.png", "b/2.png", "b/3.png")
    data = ready(root=root)
    assert (data.tags, data.num_classes) == (None, None)
    assert set(data.train_dataset[0]) == {"images"}
    (root / "tags.csv").write_text("file,tags\na/1.png,hat\nb/2.png,\nb/3.png,\n")
    assert AnimeFaces(root=root, labels="none").tags is None
    assert AnimeFaces(root=root).tags == ["hat"]


WRONG: list[tuple[str, str, str]] = [
    (
        "tags.csv",
        "1.png,hat\n",
        "tags.csv: its first line is no header; allowed: file,label, or file,tags (by semicolon)",
    ),
    ("tags.csv", "file,hat,hat\n1.png,1,1\n", "tags.csv: its first line is no header; allowed: file,label"),
    ("tags.csv", "file,hat\n1.png,yes\n", "tags.csv: 'yes' as tag 'hat' of 1.png; allowed: 0 or 1"),
    ("tags.csv", "file,hat,smile\n1.png,1\n", "tags.csv: a line '1.png,1'; allowed: file,hat,smile"),
    ("tags.csv", "file,tags\n1.png,hat\n", "tags.csv lacks 2 images of ROOT, the first 2.png"),
    (
        "tags.json",
        '{"1.png": ["hat"], "2.png": 3, "a/3.png": []}',
        "tags.json: a label 3 of 2.png; allowed: a list of tags",
    ),
    (
        "tags.json",
        '{"1.png": [1], "2.png": [], "a/3.png": []}',
        "tags.json: a label [1] of 1.png; allowed: a whole number",
    ),
    (
        "tags.json",
        '{"1.png": [], "2.png": [], "a/3.png": []}',
        "tags.json: no image has a tag; allowed: some image with a tag",
    ),
]


@pytest.mark.parametrize(("file", "text", "message"), WRONG)
def test_tag_files_that_do_not_fit(tmp_path: Path, file: str, text: str, message: str) -> None:
    root = folder(tmp_path / "p", *NAMES)
    (root / file).write_text(text)
    assert refused(root, ValueError, labels=file).startswith(message.replace("ROOT", str(root)))


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small archive in place of the public one, in a folder to be served; no data is there yet."""
    packed = zipped(folder(tmp_path / "www/data", *(f"{number}.png" for number in range(5))), wrapped=True)
    monkeypatch.setenv("LIGHTNING_GANS_DATA", str(tmp_path / "kept"))
    return packed


def serve(archive: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = archive.read_bytes()
    file = RemoteFile("data.zip", (f"{url}data.zip",), size=len(data), sha256=hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(anime_faces, "ARCHIVE", file)


def test_the_archive_is_fetched_once_and_known_before(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(archive.parent) as server:
        serve(archive, server.url, monkeypatch)
        early, offline = AnimeFaces(size=16), AnimeFaces(size=16, download=False)
        assert (early.image_shape, early.tags, early.num_classes) == ((3, 16, 16), None, None)
        assert not (tmp_path / "kept").exists()
        data = ready()
        assert data.train_dataset.count == 5
        assert (tmp_path / "kept/anime_faces/data.zip").read_bytes() == archive.read_bytes()
        early.setup("fit")  # another process, after this one's prepare_data
        offline.prepare_data()
        offline.setup("fit")
        for later in (early, offline):
            assert torch.equal(later.train_dataset.images, data.train_dataset.images)
        ready(size=8)
        assert server.asked == {"/data.zip": 1}
    assert data.source is not None
    assert "root" not in data.source["options"]


def test_an_empty_root_is_none(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(archive.parent) as server:
        serve(archive, server.url, monkeypatch)
        data = ready(root="")
    assert data.train_dataset.count == 5
    assert data.source is not None
    assert "root" not in data.source["options"]


def test_without_a_download(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(archive, "http://127.0.0.1:9/", monkeypatch)
    path = tmp_path / "kept/anime_faces/data.zip"
    said = refused_archive(download=False)
    assert said == (
        f"anime_faces not found in {path}; download is off. By hand: put data.zip from http://127.0.0.1:9/data.zip there, or "
        "name a folder or .zip of your own with --data.root"
    )
    assert refused_archive().startswith("cannot download data.zip from http://127.0.0.1:9/data.zip: ")


def refused_archive(**options: Any) -> str:
    with pytest.raises(OSError) as caught:
        ready(**options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_public_archive_is_told_in_full() -> None:
    assert anime_faces.ARCHIVE.size == 462_126_466
    assert anime_faces.ARCHIVE.sha256 == "b50c3f2e1bbad0d119f8c5748a0d01138cb56152fb8997ce5c8b139129bf3c23"
