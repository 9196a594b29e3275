"""drawn_faces: tags that the pixels show, parts that lie where the pixels are, the same faces for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules import DrawnFaces, drawn_faces
from datamodules._faces import EYES, HAIR, MARKS, PARTS, TAGS, draw_face, face_tags

__all__: list[str] = []

TRAIN, TEST = 40, 16


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_faces, "TRAIN_IMAGES", TRAIN)
    monkeypatch.setattr(drawn_faces, "TEST_IMAGES", TEST)


def ready(**options: Any) -> DrawnFaces:
    data = DrawnFaces(**options)
    data.prepare_data()
    data.setup("fit")
    return data


def test_what_is_known_before_anything_is_drawn(cache: Path) -> None:
    data = DrawnFaces(size=64)
    assert (data.image_shape, data.num_classes, data.class_names) == ((3, 64, 64), None, None)
    assert data.tags == list(TAGS)
    assert len(TAGS) == 23
    assert data.part_names == list(PARTS)
    assert data.source == {"name": "drawn_faces", "options": {"size": "64x64", "channels": 3}}
    assert not cache.exists()


def test_a_batch_has_images_and_tags(cache: Path) -> None:
    data = ready(batch_size=8)
    assert (data.train_dataset.count, data.test_dataset.count) == (TRAIN, TEST)
    batch = next(iter(data.train_dataloader()))
    assert set(batch) == {"images", "tags"}
    assert (batch["images"].dtype, batch["images"].shape) == (torch.uint8, (8, 3, 32, 32))
    assert (batch["tags"].dtype, batch["tags"].shape) == (torch.float32, (8, 23))
    assert set(data.train_dataset[3]) == {"images", "tags"}


def test_rows_are_the_faces_of_their_numbers_and_the_halves_share_none() -> None:
    data = ready(size=48)
    for split, first in ((data.train_dataset, 0), (data.test_dataset, TRAIN)):
        for row in (0, split.count - 1):
            assert torch.equal(split[row]["images"], torch.from_numpy(draw_face(first + row, 48)[0]))
            assert torch.equal(split[row]["tags"], torch.from_numpy(face_tags(first + row)))
    images = torch.cat([data.train_dataset.images, data.test_dataset.images]).flatten(1)
    assert len(images.unique(dim=0)) == TRAIN + TEST
    again = ready(size=48, seed=7)
    assert torch.equal(again.train_dataset.images, data.train_dataset.images)


def test_tags_are_one_hair_one_eye_colour_and_independent_marks() -> None:
    tags = np.stack([face_tags(number) for number in range(4000)])
    assert set(np.unique(tags)) == {0.0, 1.0}
    hair, eyes = tags[:, : len(HAIR)], tags[:, -len(EYES) :]
    assert (hair.sum(axis=1) == 1).all()
    assert (eyes.sum(axis=1) == 1).all()
    np.testing.assert_allclose(hair.mean(axis=0), 1 / len(HAIR), atol=0.02)
    np.testing.assert_allclose(eyes.mean(axis=0), 1 / len(EYES), atol=0.025)
    marks = tags[:, len(HAIR) : -len(EYES)]
    assert marks.shape[1] == len(MARKS)
    np.testing.assert_allclose(marks.mean(axis=0), 0.25, atol=0.03)
    correlation = np.corrcoef(marks.T) - np.eye(len(MARKS))
    assert np.abs(correlation).max() < 0.06


@pytest.mark.parametrize("side", [32, 128])
def test_pixels_show_the_colours_that_tags_name(side: int) -> None:
    for number in range(60):
        (pixels, parts), tags = draw_face(number, side), face_tags(number)
        named = dict(zip(TAGS, tags, strict=True))
        for part, colours in (("hair", HAIR), ("eyes", EYES)):
            there = pixels[:, parts == PARTS.index(part)].astype(float)  # (3, pixels)
            wanted = next(colour for name, colour in colours.items() if named[name])
            near = (np.abs(there - np.array(wanted)[:, None]).max(axis=0) < 40).mean()
            assert near > 0.1, (number, part)


@pytest.mark.parametrize("side", [32, 64, 128])
def test_parts_of_the_tags_are_there_and_only_then(side: int) -> None:
    for number in range(60):
        parts = draw_face(number, side)[1]
        tags = dict(zip(TAGS, face_tags(number), strict=True))
        shown = {part: (parts == index).mean() for index, part in enumerate(PARTS)}
        assert parts.shape == (side, side)
        for part in ("background", "hair", "skin", "eyes", "clothes"):
            assert shown[part] > 0, (number, part)
        assert shown["mouth"] > 0 or side == 32  # a line of half a pixel may lie between their middles
        assert 0.1 < shown["hair"] < 0.7
        assert 0.02 < shown["eyes"] < 0.12
        for part in ("hat", "ribbon", "glasses"):
            assert (shown[part] > 0.005) == bool(tags[part]), (number, part)


def test_part_maps_belong_to_the_images() -> None:
    data = ready(size=32)
    for train, count, first in ((True, TRAIN, 0), (False, TEST, TRAIN)):
        maps = data.part_maps(train)
        assert (maps.dtype, maps.shape) == (torch.uint8, (count, 32, 32))
        assert torch.equal(maps[5], torch.from_numpy(draw_face(first + 5, 32)[1]))


def test_faces_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ready().train_dataset.images.clone()
    monkeypatch.setattr(drawn_faces, "draw_face", None)
    assert torch.equal(ready().train_dataset.images, first)


def test_grey_and_alpha() -> None:
    colour, grey, alpha = (ready(channels=channels).train_dataset.images for channels in (3, 1, 4))
    assert grey.shape == (TRAIN, 1, 32, 32)
    luma = (colour.float() * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    assert (grey.float() - luma).abs().max() <= 1.0
    assert torch.equal(alpha[:, :3], colour)
    assert (alpha[:, 3] == 255).all()


@pytest.mark.parametrize("size", ["32x48", 513])
def test_sizes_that_no_face_has(size: int | str) -> None:
    with pytest.raises(ValueError, match=rf"^size {size}; allowed: squares of 16 to 512 pixels$"):
        DrawnFaces(size=size)
    with pytest.raises(ValueError, match=r"^size 8; allowed: 16 or more$"):
        DrawnFaces(size=8)
