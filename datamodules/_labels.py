"""Labels or tags of a folder's images: from its sub-folders, or from a CSV or JSON file."""

from __future__ import annotations

import csv
import io
import json
import posixpath
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datamodules._folder_scan import ImageSource, Layout, part

__all__ = ["LabelError", "read_labels"]

MOST = 100_000  # classes; more is a number that means something else
Label = int | str | tuple[str, ...]


class LabelError(ValueError):
    """Labels that cannot be read or do not fit the images."""


def read_labels(source: ImageSource, layout: Layout, labels: str | None) -> tuple[Tensor, list[str]] | None:
    """Find the label, or the tags, of every image.

    Args:
        source: of the images.
        layout: of the images.
        labels: "auto", "folders", "none" or None, or the path of a file, as given or below the root.

    Returns:
        Each image's number of its class, int64 (n,), -1 for unlabelled, and the classes' names; or each image's tags, float32
        (n, T) in {0, 1}, and theirs; None if there are neither.

    Raises:
        LabelError: the file cannot be read, or the labels do not fit the images.
    """
    if labels in (None, "none"):
        return None
    names = [entry.name for entry in layout.entries]
    if labels in ("auto", "folders"):
        folders = [part(name, layout.depth) for name in names]
        if labels == "auto" and (None in folders or len(set(folders)) < 2):
            return None
        outside = [name for name, folder in zip(names, folders, strict=True) if folder is None]
        if outside:
            raise LabelError(f"labels 'folders': {_count(outside)} in no sub-folder, the first {outside[0]}")
        return _number([str(folder) for folder in folders])
    found, columns = _read_file(source, layout.wrappers, str(labels))
    unused = {entry.name for entry in source.entries}.difference(names)  # beside the folders of the splits
    strangers = [name for name in found if name not in unused.union(names)]
    if strangers:
        raise LabelError(f"{labels} names {_count(strangers)} not in {source.root}, the first {strangers[0]}")
    lacking = [name for name in names if name not in found]
    if lacking:
        raise LabelError(f"{labels} lacks {_count(lacking)} of {source.root}, the first {lacking[0]}")
    given = {name: found[name] for name in names}
    if any(isinstance(label, tuple) for label in given.values()):
        return _check_tags(given, columns, str(labels))
    if all(isinstance(label, int) for label in given.values()):
        return _check_numbers(given, str(labels))
    return _number([str(label) for label in given.values()])


def _number(given: list[str]) -> tuple[Tensor, list[str]]:
    classes = sorted(set(given))
    numbers = {name: number for number, name in enumerate(classes)}
    return torch.tensor([numbers[name] for name in given]), classes


def _check_tags(given: dict[str, Label], columns: list[str], path: str) -> tuple[Tensor, list[str]]:
    """Tags in the order of the file's columns, or else of their names."""
    tagged: list[tuple[str, ...]] = []
    for name, label in given.items():
        if not isinstance(label, tuple):
            raise LabelError(f"{path}: a label {label!r} of {name}; allowed: a list of tags, as others have")
        tagged.append(label)
    tags = columns or sorted({tag for row in tagged for tag in row})
    if not any(tagged):
        raise LabelError(f"{path}: no image has a tag; allowed: some image with a tag, or --data.labels none")
    places = {tag: place for place, tag in enumerate(tags)}
    rows = torch.zeros(len(tagged), len(tags))
    for row, names in zip(rows, tagged, strict=True):
        row[[places[tag] for tag in names]] = 1.0
    return rows, tags


def _check_numbers(given: dict[str, Label], path: str) -> tuple[Tensor, list[str]]:
    """Whole numbers are taken as they are, also where some number below the highest is not in use."""
    numbers = {name: label for name, label in given.items() if isinstance(label, int)}
    for name, number in numbers.items():
        if not -1 <= number < MOST:
            raise LabelError(f"{path}: a label {number} of {name}; allowed: 0 to {MOST - 1}, -1 = unlabelled, or names")
    highest = max(numbers.values())
    if highest < 0:
        raise LabelError(f"{path}: all labels are -1; allowed: some image with a label, or --data.labels none")
    return torch.tensor(list(numbers.values())), [str(number) for number in range(highest + 1)]


def _read_file(source: ImageSource, wrappers: list[str], path: str) -> tuple[dict[str, Label], list[str]]:
    """Label or tags by image name, and the tags that have columns. What is written as if one of ``wrappers`` were the root is
    understood too.

    Raises:
        LabelError: no such file, of another format, or with something else than labels in it.
    """
    kind = Path(path).suffix.lower()
    if kind not in (".csv", ".json"):
        raise LabelError(f"labels {path!r}; allowed: 'auto', 'folders', 'none', or a file .csv or .json")
    text = _read_text(source, wrappers, path)
    names = {entry.name for entry in source.entries}
    found: dict[str, Label] = {}
    pairs, columns = _csv(text, path) if kind == ".csv" else (_json(text, path), [])
    for name, given in pairs:
        label = given
        if isinstance(label, list) and all(isinstance(tag, str) for tag in label):
            label = tuple(dict.fromkeys(label))
        if isinstance(label, bool) or not isinstance(label, (int, str, tuple)):
            raise LabelError(
                f"{path}: a label {label!r} of {name}; allowed: a whole number or a name, or a list of tags"
            )
        name = posixpath.normpath(str(name).replace("\\", "/"))
        name = next((wrapper + name for wrapper in wrappers if wrapper + name in names), name)
        if found.setdefault(name, label) != label:
            raise LabelError(f"{path} gives {name} two labels: {found[name]} and {label}")
    return found, columns


def _read_text(source: ImageSource, wrappers: list[str], path: str) -> str:
    try:
        if Path(path).expanduser().is_file():
            return Path(path).expanduser().read_text(encoding="utf-8-sig")
        for name in (wrapper + path for wrapper in wrappers):
            if source.has(name):
                with source.open(name) as stream:
                    return stream.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise LabelError(f"cannot read label file {path}: {error}") from error
    raise LabelError(f"no such label file: {path}, nor in {source.root}")


def _csv(text: str, path: str) -> tuple[Iterable[tuple[Any, Any]], list[str]]:
    """Pairs of file and label or tags, and the tags that have columns."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if row]
    header = rows[0] if rows else []
    kind = [cell.lower() for cell in header]
    tags = header[1:]
    if kind[:1] != ["file"] or not tags or not all(tags) or len(set(tags)) < len(tags):
        raise LabelError(
            f"{path}: its first line is no header; allowed: file,label, or file,tags (by semicolon), or file,TAG,TAG,... "
            "with columns of 0 and 1"
        )
    for row in rows[1:]:
        if len(row) != len(header):
            raise LabelError(f"{path}: a line {','.join(row)!r}; allowed: {','.join(kind[:1] + tags)}")
    names = [row[0] for row in rows[1:]]
    if kind == ["file", "tags"]:
        return [(row[0], [tag for tag in map(str.strip, row[1].split(";")) if tag]) for row in rows[1:]], []
    if kind != ["file", "label"]:
        return [(row[0], _columns(row, tags, path)) for row in rows[1:]], tags
    labels = [row[1] for row in rows[1:]]
    whole = all(label.removeprefix("-").isdecimal() for label in labels)
    return [(name, int(label) if whole else label) for name, label in zip(names, labels, strict=True)], []


def _columns(row: list[str], tags: list[str], path: str) -> list[str]:
    """Tags of a line of 0 and 1; -1 is taken for 0."""
    for tag, value in zip(tags, row[1:], strict=True):
        if value not in ("0", "1", "-1"):
            raise LabelError(f"{path}: {value!r} as tag {tag!r} of {row[0]}; allowed: 0 or 1")
    return [tag for tag, value in zip(tags, row[1:], strict=True) if value == "1"]


def _json(text: str, path: str) -> Iterable[tuple[Any, Any]]:
    allowed = 'allowed: {"FILE": LABEL, ...} or {"labels": [["FILE", LABEL], ...]}, a label being a list for tags'
    try:
        values = json.loads(text)
    except ValueError as error:
        raise LabelError(f"{path} is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise LabelError(f"{path} holds {type(values).__name__}; {allowed}")
    pairs = (
        values["labels"]
        if list(values) == ["labels"] or isinstance(values.get("labels"), list)
        else list(values.items())
    )
    if not isinstance(pairs, list) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise LabelError(f"{path} holds no pairs of file and label; {allowed}")
    return [(name, label) for name, label in pairs]


def _count(names: list[str]) -> str:
    return f"{len(names)} image{'s' * (len(names) > 1)}"
