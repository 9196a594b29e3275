"""Sets of images by index: what is scored is uint8, finite, and named in the protocol."""

from __future__ import annotations

import pytest
import torch

from datamodules import Digits
from lightning_gans import CGAN, DCGAN
from lightning_gans.batch import to_uint8
from lightning_gans.metrics.images import DatasetImages, GeneratedImages, TensorImages, labels_like


def tiny() -> DCGAN:
    torch.manual_seed(0)
    return DCGAN(image_shape=(1, 16, 16), generator_channels=4, discriminator_channels=4, ema_decay=0.9)


def test_generated_images_are_those_of_generate_whatever_the_share_and_the_batch() -> None:
    model = tiny()
    expected = to_uint8(model.generate(10, seed=3))
    drawn = GeneratedImages(model, 10, seed=3)
    assert drawn.image_shape == (1, 16, 16)
    for rank in (0, 1):
        share = torch.cat(list(drawn.batches(range(rank, 10, 2), 2)))
        assert (share.int() - expected[rank::2].int()).abs().max() <= 1  # 1e-5 may cross a rounding
    assert drawn.describe() == ("10 generated at iteration 0 (EMA weights, batch norm standing, truncation 1, seed 3)")
    raw = GeneratedImages(model, 10, ema=False, bn="running", truncation=0.5)
    assert "(raw weights, batch norm running, truncation 0.5, seed 0)" in raw.describe()


def test_a_digest_changes_with_one_pixel_and_with_nothing_else() -> None:
    images = torch.randint(0, 256, (50, 1, 8, 8), dtype=torch.uint8)
    changed = images.clone()
    changed[49, 0, 7, 7] ^= 1
    one, again, other = (
        TensorImages(x, name=name).digest() for x, name in ((images, "a"), (images, "b"), (changed, "a"))
    )
    assert one == again != other
    assert len(one) == 16
    assert TensorImages(images[:49]).digest() != one


def test_a_data_set_is_read_without_its_mirror_images() -> None:
    data = Digits(size=16, flip=True)
    data.setup()
    images = DatasetImages(data.train_dataset, data.image_shape, "digits train")
    assert (images.count, images.describe()) == (1400, "digits train (1400 images of 1x16x16)")
    assert torch.equal(next(images.batches([3, 1], 64)), data.train_dataset.images[[3, 1]])
    assert images.labels is not None
    assert len(images.labels) == 1400


def labelled(labels: list[int]) -> TensorImages:
    return TensorImages(torch.zeros(len(labels), 1, 16, 16), torch.tensor(labels))


def test_classes_come_as_often_as_in_the_reference() -> None:
    model = CGAN(image_shape=(1, 16, 16), num_classes=6, network="mlp")
    reference = labelled([0] * 60 + [2] * 30 + [5] * 10 + [-1] * 50)
    drawn = labels_like(reference, model, 250)
    assert drawn is not None
    counts = torch.bincount(drawn)
    assert counts[[1, 3, 4]].sum() == 0
    assert abs(int(counts[0]) - 150) <= 20
    again, hundred = labels_like(reference, model, 250), labels_like(reference, model, 100)
    assert again is not None
    assert hundred is not None
    assert torch.equal(drawn, again)
    assert hundred.bincount().tolist() == [60, 0, 30, 0, 0, 10]


def test_classes_come_in_turn_where_the_reference_cannot_tell() -> None:
    model = CGAN(image_shape=(1, 16, 16), num_classes=6, network="mlp")
    for reference in (labelled([-1, -1]), labelled([0, 6]), TensorImages(torch.zeros(2, 1, 16, 16))):
        assert labels_like(reference, model, 4) is None
    assert labels_like(labelled([0, 1]), tiny(), 4) is None
    assert GeneratedImages(model, 8).labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1]  # type: ignore[union-attr]


def test_a_path_keeps_the_class_of_each_pair_and_meets_all_of_them() -> None:
    model = CGAN(image_shape=(1, 16, 16), num_classes=40, network="mlp")
    model.latent_distribution = "normal"
    seen: list[torch.Tensor] = []
    model.render = lambda latents, labels, **_: seen.append(labels) or torch.zeros(len(latents), 1, 16, 16)  # type: ignore
    render, latents = GeneratedImages(model, 80).path()
    for _ in range(5):
        render(latents(32, torch.Generator()))
    assert all(torch.equal(*labels.chunk(2)) for labels in seen)
    assert torch.cat([labels.chunk(2)[0] for labels in seen]).unique().tolist() == list(range(40))
    with pytest.raises(ValueError, match=r"^ppl: truncation 0\.5; allowed: 1, it is defined without$"):
        GeneratedImages(model, 8, truncation=0.5).path()
    model.latent_distribution = "uniform"
    with pytest.raises(ValueError, match=r"^ppl: latents are uniform; allowed: a model of normal latents$"):
        GeneratedImages(model, 8).path()


def test_errors() -> None:
    images = torch.zeros(4, 1, 8, 8)
    broken = images.clone()
    broken[1, 0, 0, 0], broken[2, 0, 0, 0] = torch.nan, torch.inf
    with pytest.raises(ValueError, match=r"^2 of 4 images hold NaN or infinite values$"):
        TensorImages(broken)
    with pytest.raises(ValueError, match=r"^images of shape \(0, 1, 8, 8\); allowed: \(n, C, H, W\), n at least 1$"):
        TensorImages(images[:0])
    with pytest.raises(ValueError, match=r"^labels of shape \(3,\) for 4 images; allowed: \(4,\)$"):
        TensorImages(images, torch.zeros(3))
    with pytest.raises(ValueError, match=r"^n=0; allowed: 1 or more$"):
        GeneratedImages(tiny(), 0)
    model = tiny()
    with torch.no_grad():
        next(model.generator_ema.parameters()).fill_(torch.nan)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"^4 of 4 images hold NaN or infinite values$"):
        next(GeneratedImages(model, 4).batches(range(4), 4))
