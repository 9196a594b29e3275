"""Labels of a folder's images: from its sub-folders, or from a CSV or JSON file."""

from __future__ import annotations

import csv
import io
import json
import posixpath
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datamodules._folder_scan import ImageSource, Layout, part

__all__ = ["LabelError", "read_labels"]

MOST = 100_000  # classes; more is a number that means something else
Label = int | str


class LabelError(ValueError):
    """Labels that cannot be read or do not fit the images."""


def read_labels(source: ImageSource, layout: Layout, labels: str | None) -> tuple[list[int], list[str]] | None:
    """Find the label of every image.

    Args:
        source: of the images.
        layout: of the images.
        labels: "auto", "folders", "none" or None, or the path of a file, as given or below the root.

    Returns:
        Each image's number of its class, -1 for unlabelled, and the classes' names; None if there are no labels.

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
    found = _read_file(source, layout.wrappers, str(labels))
    unused = {entry.name for entry in source.entries}.difference(names)  # beside the folders train and test
    strangers = [name for name in found if name not in unused.union(names)]
    if strangers:
        raise LabelError(f"{labels} names {_count(strangers)} not in {source.root}, the first {strangers[0]}")
    lacking = [name for name in names if name not in found]
    if lacking:
        raise LabelError(f"{labels} lacks {_count(lacking)} of {source.root}, the first {lacking[0]}")
    given = {name: found[name] for name in names}
    if all(isinstance(label, int) for label in given.values()):
        return _check_numbers(given, str(labels))
    return _number([str(label) for label in given.values()])


def _number(given: list[str]) -> tuple[list[int], list[str]]:
    classes = sorted(set(given))
    numbers = {name: number for number, name in enumerate(classes)}
    return [numbers[name] for name in given], classes


def _check_numbers(given: dict[str, Label], path: str) -> tuple[list[int], list[str]]:
    """Whole numbers are taken as they are, also where some number below the highest is not in use."""
    numbers = {name: int(label) for name, label in given.items()}
    for name, number in numbers.items():
        if not -1 <= number < MOST:
            raise LabelError(f"{path}: a label {number} of {name}; allowed: 0 to {MOST - 1}, -1 = unlabelled, or names")
    highest = max(numbers.values())
    if highest < 0:
        raise LabelError(f"{path}: all labels are -1; allowed: some image with a label, or --data.labels none")
    return list(numbers.values()), [str(number) for number in range(highest + 1)]


def _read_file(source: ImageSource, wrappers: list[str], path: str) -> dict[str, Label]:
    """Label by image name. What is written as if one of ``wrappers`` were the root is understood too.

    Raises:
        LabelError: no such file, of another format, or with something else than labels in it.
    """
    kind = Path(path).suffix.lower()
    if kind not in (".csv", ".json"):
        raise LabelError(f"labels {path!r}; allowed: 'auto', 'folders', 'none', or a file .csv or .json")
    text = _read_text(source, wrappers, path)
    names = {entry.name for entry in source.entries}
    found: dict[str, Label] = {}
    for name, label in _csv(text, path) if kind == ".csv" else _json(text, path):
        if isinstance(label, bool) or not isinstance(label, (int, str)):
            raise LabelError(f"{path}: a label {label!r} of {name}; allowed: a whole number or a name")
        name = posixpath.normpath(str(name).replace("\\", "/"))
        name = next((wrapper + name for wrapper in wrappers if wrapper + name in names), name)
        if found.setdefault(name, label) != label:
            raise LabelError(f"{path} gives {name} two labels: {found[name]} and {label}")
    return found


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


def _csv(text: str, path: str) -> Iterable[tuple[Any, Any]]:
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if not rows or [cell.strip().lower() for cell in rows[0]] != ["file", "label"]:
        raise LabelError(f"{path}: its first line is no header; allowed: file,label")
    for row in rows[1:]:
        if len(row) != 2:
            raise LabelError(f"{path}: a line {','.join(row)!r}; allowed: file,label")
    labels = [row[1].strip() for row in rows[1:]]
    whole = all(label.removeprefix("-").isdecimal() for label in labels)
    return [(row[0].strip(), int(label) if whole else label) for row, label in zip(rows[1:], labels, strict=True)]


def _json(text: str, path: str) -> Iterable[tuple[Any, Any]]:
    allowed = 'allowed: {"FILE": LABEL, ...} or {"labels": [["FILE", LABEL], ...]}'
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
