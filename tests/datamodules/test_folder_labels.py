"""Labels of image_folder: from sub-folders and from files, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datamodules import ImageFolder
from tests.datamodules.folders import folder, labels_of, ready, refused, zipped

__all__: list[str] = []

LABELS: list[tuple[tuple[str, ...], str | None, list[str] | None]] = [
    (("a/1.png", "b/2.png", "b/c/3.png"), "auto", ["a", "b"]),
    (("a/1.png", "b/2.png", "3.png"), "auto", None),
    (("a/1.png", "a/2.png"), "auto", None),
    (("1.png", "2.png"), "auto", None),
    (("a/1.png", "a/2.png"), "folders", ["a"]),
    (("a/1.png", "b/2.png"), "none", None),
    (("a/1.png", "b/2.png"), None, None),
    (("all/a/1.png", "all/b/2.png"), "auto", ["a", "b"]),  # a folder around everything counts for nothing
    (("all/a/1.png", "all/2.png"), "auto", None),
]


@pytest.mark.parametrize(("names", "given", "classes"), LABELS)
def test_labels_of_folders(
    tmp_path: Path, names: tuple[str, ...], given: str | None, classes: list[str] | None
) -> None:
    root = folder(tmp_path / "p", *names)
    for where in (root, zipped(root), zipped(root, wrapped=True)):
        data = ImageFolder(root=where, labels=given)
        assert data.class_names == classes
        assert data.num_classes == (None if classes is None else len(classes))


FILES: list[tuple[str, str, list[int], list[str]]] = [
    ("l.csv", "file,label\na/1.png,cat\n./2.png,ant\n", [1, 0], ["ant", "cat"]),
    ("l.csv", "File, Label\r\na\\1.png,3\r\n2.png,-1\r\n", [3, -1], ["0", "1", "2", "3"]),
    ("l.csv", '\ufefffile,label\n"a/1.png",1\n\n2.png,x\n', [0, 1], ["1", "x"]),
    ("l.json", '{"a/1.png": 2, "2.png": 0}', [2, 0], ["0", "1", "2"]),
    ("l.json", '{"labels": [["a/1.png", "dog"], ["2.png", "dog"]]}', [0, 0], ["dog"]),
]


@pytest.mark.parametrize(("file", "text", "numbers", "classes"), FILES)
def test_labels_of_a_file(tmp_path: Path, file: str, text: str, numbers: list[int], classes: list[str]) -> None:
    root = folder(tmp_path / "p", "2.png", "a/1.png")
    (root / file).write_text(text)
    places = [(root, file), (root, str(root / file)), (zipped(root), file), (zipped(root, wrapped=True), file)]
    for where, path in places:
        data = ready(where, labels=path)
        assert dict(zip(["2.png", "a/1.png"], labels_of(data), strict=True)) == dict(
            zip(["a/1.png", "2.png"], numbers, strict=True)
        )
        assert data.class_names == classes
        assert data.num_classes == len(classes)


WRONG_LABELS: list[tuple[str, str, str]] = [
    ("l.csv", "1.png,3\n2.png,4\n", "{}: its first line is no header; allowed: file,label"),
    ("l.csv", "", "{}: its first line is no header; allowed: file,label"),
    ("l.csv", "file,label\n1.png,3,4\n", "{}: a line '1.png,3,4'; allowed: file,label"),
    ("l.csv", "file,label\n1.png,3\n", "{} lacks 2 images of ROOT, the first 2.png"),
    (
        "l.csv",
        "file,label\n1.png,3\n2.png,1\n3.png,1\n8.png,1\n9.png,0\n",
        "{} names 2 images not in ROOT, the first 8.png",
    ),
    ("l.csv", "file,label\n1.png,3\n1.png,4\n", "{} gives 1.png two labels: 3 and 4"),
    ("l.json", "[1]", '{} holds list; allowed: {{"FILE": LABEL, ...}} or {{"labels": [["FILE", LABEL], ...]}}'),
    (
        "l.json",
        '{"labels": null}',
        '{} holds no pairs of file and label; allowed: {{"FILE": LABEL, ...}} or {{"labels"',
    ),
    ("l.json", "{", "{} is no JSON: Expecting property name enclosed in double quotes"),
    ("l.json", '{"1.png": 1.5}', "{}: a label 1.5 of 1.png; allowed: a whole number or a name"),
    (
        "l.json",
        '{"1.png": -2, "2.png": 0, "3.png": 0}',
        "{}: a label -2 of 1.png; allowed: 0 to 99999, -1 = unlabelled, or names",
    ),
    ("l.json", '{"1.png": -1, "2.png": -1, "3.png": -1}', "{}: all labels are -1; allowed: some image with a label"),
]


@pytest.mark.parametrize(("file", "text", "message"), WRONG_LABELS)
def test_label_files_that_do_not_fit(tmp_path: Path, file: str, text: str, message: str) -> None:
    root = folder(tmp_path / "p", "1.png", "2.png", "3.png")
    (root / file).write_text(text)
    said = refused(root, ValueError, labels=file)
    assert said.startswith(message.format(file).replace("ROOT", str(root)))


def test_the_label_file_of_json_dumps_is_read_back(tmp_path: Path) -> None:
    root = folder(tmp_path / "p", *(f"{number}.png" for number in range(12)))
    (tmp_path / "labels.json").write_text(json.dumps({f"{number}.png": number % 5 for number in range(12)}))
    data = ready(root, labels=str(tmp_path / "labels.json"))
    assert labels_of(data) == [int(name.removesuffix(".png")) % 5 for name in sorted(f"{n}.png" for n in range(12))]
    assert data.num_classes == 5
