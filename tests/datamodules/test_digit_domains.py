"""Digit domains: edges and negatives, halves that share no image, two independent orders, paired test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from datamodules import DigitDomains, Digits
from datamodules._digit_transforms import PALETTE
from datamodules._sampler import PositionSampler
from datamodules._unpaired import TwoDomains, UnpairedSampler
from datamodules.digit_domains import edge, negative
from lightning_gans.batch import normalize_batch, to_float

__all__: list[str] = []


def domains(**options: Any) -> DigitDomains:
    data = DigitDomains(**options)
    data.prepare_data()
    data.setup("fit")
    return data


def test_an_edge_is_what_dilation_adds() -> None:
    image = torch.zeros(1, 1, 6, 6, dtype=torch.uint8)
    image[..., 1, 1], image[..., 5, 5] = 200, 50
    expected = torch.zeros(6, 6, dtype=torch.uint8)
    expected[:3, :3] = 200
    expected[4:, 4:] = 50
    expected[1, 1] = expected[5, 5] = 0
    assert torch.equal(edge(image)[0, 0], expected)
    assert edge(image).dtype == torch.uint8
    assert edge(torch.full_like(image, 255)).sum() == 0


@pytest.mark.parametrize("transform", [edge, negative])
def test_floats_are_treated_as_bytes_are(transform: Any) -> None:
    images = torch.randint(0, 256, (3, 2, 9, 7), dtype=torch.uint8)
    kept = images.clone()
    torch.testing.assert_close(transform(to_float(images)), to_float(transform(images)), atol=1e-6, rtol=0)
    assert torch.equal(images, kept)
    assert torch.equal(negative(negative(images)), images)
    assert torch.equal(negative(images).int() + images, torch.full_like(images, 255).int())


def test_what_is_known_before_anything_is_loaded() -> None:
    data = DigitDomains()
    assert data.image_shape == data.source_shape == data.target_shape == (1, 28, 28)
    assert (data.num_classes, data.class_names) == (None, None)
    labelled = DigitDomains(labels=True, size=32)
    assert labelled.image_shape == (1, 32, 32)
    assert (labelled.num_classes, labelled.class_names) == (10, list("0123456789"))
    assert not hasattr(data, "train_dataset")


@pytest.mark.parametrize(("name", "transform"), [("edge", edge), ("negative", negative)])
def test_domains_are_halves_that_share_no_image(name: str, transform: Any) -> None:
    data = domains(transform=name)
    digits = Digits(size=28)
    digits.setup()
    assert isinstance(data.train_dataset, TwoDomains)
    a, b = data.train_dataset.images, data.train_dataset.b
    assert a.shape == b.shape == (700, 1, 28, 28)
    assert a.dtype == b.dtype == torch.uint8
    plain = {image.numpy().tobytes() for image in digits.train_dataset.images}
    first = {image.numpy().tobytes() for image in a}
    assert len(first) == 700
    assert first < plain
    others = [image for image in digits.train_dataset.images if image.numpy().tobytes() not in first]
    assert {image.numpy().tobytes() for image in b} == {
        image.numpy().tobytes() for image in transform(torch.stack(others))
    }


def test_the_halves_show_each_digit_and_do_not_depend_on_seeds() -> None:
    first = domains(labels=True)
    torch.manual_seed(123)
    np.random.seed(123)
    other = domains(labels=True, seed=5)
    assert isinstance(first.train_dataset, TwoDomains)
    assert isinstance(other.train_dataset, TwoDomains)
    assert torch.equal(first.train_dataset.images, other.train_dataset.images)
    assert torch.equal(first.train_dataset.b, other.train_dataset.b)
    assert first.train_dataset.labels is not None
    assert first.train_dataset.labels.bincount(minlength=10).min() >= 55


def test_test_images_are_paired() -> None:
    data = domains(labels=True)
    digits = Digits(size=28)
    digits.setup()
    assert len(data.test_dataset) == 397
    batch = data.test_dataset.__getitems__([3, 396])
    assert torch.equal(batch["a"], digits.test_dataset.images[[3, 396]])
    assert torch.equal(batch["b"], edge(batch["a"]))
    assert torch.equal(batch["labels"], digits.test_dataset.labels[[3, 396]])  # type: ignore[index]
    assert torch.equal(batch["labels_b"], batch["labels"])
    assert set(domains().test_dataset[0]) == {"a", "b"}


def test_colours_are_those_of_the_digits() -> None:
    data = domains(transform="colour", labels=True, size=32)
    assert data.image_shape == data.source_shape == data.target_shape == (3, 32, 32)
    batch = data.test_dataset.__getitems__(list(range(397)))
    grey, colours = batch["a"].float(), batch["b"].float()
    assert torch.equal(batch["a"][:, 0], batch["a"][:, 2])
    for label in range(10):
        rows = batch["labels"] == label
        expected = grey[rows] / 255 * PALETTE[label].view(1, 3, 1, 1)
        torch.testing.assert_close(colours[rows], expected, atol=0.5, rtol=0)
    assert len({tuple(colour.tolist()) for colour in PALETTE}) == 10
    train = data.train_dataset.__getitems__([0, 1])
    assert train["a"].shape == train["b"].shape == (2, 3, 32, 32)


def test_a_batch() -> None:
    data = domains(batch_size=16, labels=True)
    assert isinstance(data.train_dataset, TwoDomains)
    loader = data.train_dataloader()
    batch = next(iter(loader))
    assert set(batch) == {"a", "b", "labels"}
    assert len(loader) == 43
    items = np.array(loader.sampler.batch(0))  # type: ignore[attr-defined]
    assert torch.equal(batch["a"], data.train_dataset.images[items % 700])
    assert torch.equal(batch["b"], data.train_dataset.b[items // 700])
    assert torch.equal(batch["labels"], data.train_dataset.labels[items % 700])  # type: ignore[index]
    assert set(next(iter(domains().train_dataloader()))) == {"a", "b"}
    normal = normalize_batch(batch, first=True)
    assert normal["a"].dtype == normal["b"].dtype == torch.float32


def sampler(a: int, b: int, batch_size: int, **options: Any) -> UnpairedSampler:
    variants = options.get("crops", 1) * (2 if options.get("flip") else 1)
    return UnpairedSampler(range(a * b * variants**2), a, batch_size, **options)  # type: ignore[arg-type]


def epoch(order: UnpairedSampler, number: int, a: int) -> tuple[list[int], list[int]]:
    positions = range(number * order.batches_per_epoch, (number + 1) * order.batches_per_epoch)
    items = [item for position in positions for item in order.batch(position)]
    return [item % a for item in items], [item // a for item in items]


def test_both_orders_change_with_each_epoch_and_partners_with_them() -> None:
    order = sampler(12, 12, 4)
    partners = set()
    for number in range(5):
        rows, others = epoch(order, number, 12)
        assert sorted(rows) == sorted(others) == list(range(12))
        assert rows != others
        partners.add(tuple(other for _, other in sorted(zip(rows, others, strict=True))))
    assert len(partners) == 5
    assert epoch(order, 0, 12)[0] == [row for t in range(3) for row in PositionSampler(range(12), 12, 4).batch(t)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("a", "b"), [(12, 5), (5, 12)])
def test_an_epoch_is_one_pass_through_the_larger_domain_and_the_smaller_is_repeated(a: int, b: int) -> None:
    order = sampler(a, b, 4)
    shown = [epoch(order, number, a) for number in range(3)]
    for first, second in shown:
        larger, smaller = (first, second) if a > b else (second, first)
        assert sorted(larger) == list(range(12))
        assert sorted(smaller[:5]) == sorted(smaller[5:10]) == list(range(5))
        assert len(set(smaller[10:])) == 2
    assert len({tuple(rows) for pair in shown for rows in pair}) == 6


@pytest.mark.parametrize("options", [{}, {"flip": True, "crops": 9}])
def test_two_processes_interleave_to_the_joint_batch(options: dict[str, Any]) -> None:
    joint = sampler(13, 13, 4, **options)
    first, second = (sampler(13, 13, 2, world=2, rank=rank, **options) for rank in (0, 1))
    for position in range(9):
        items = joint.batch(position)
        assert first.batch(position) == items[0::2]
        assert second.batch(position) == items[1::2]


def test_the_order_is_frozen() -> None:
    """Changing it would make every checkpoint of every user resume in another order."""
    assert sampler(7, 7, 3).batch(0) == [9, 41, 42]
    assert sampler(7, 7, 3).batch(3) == [34, 5, 36]
    assert sampler(7, 4, 3, flip=True, crops=9).batch(3) == [4283, 4583, 8765]


class Recorder(LightningModule):
    """Remembers the sums of what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[int, int]] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        self.seen.append((int(batch["a"].sum()), int(batch["b"].sum())))
        return self.weight * 1.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class SaveAt(Callback):
    """A checkpoint in the midst of an epoch."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_sees_the_batches_of_the_run_that_was_never_stopped(workers: int, tmp_path: Path) -> None:
    path = tmp_path / "half.ckpt"

    def run(steps: int, ckpt: Path | None = None, *callbacks: Callback) -> list[tuple[int, int]]:
        model = Recorder()
        trainer = Trainer(
            accelerator="cpu",
            max_steps=steps,
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=list(callbacks),
        )
        trainer.fit(
            model, datamodule=domains(size=8, batch_size=300, num_workers=workers), ckpt_path=path if ckpt else None
        )
        return model.seen

    whole = run(7, None, SaveAt(3, path))  # two batches an epoch
    assert len(set(whole)) == 7
    assert run(7, path) == whole[3:]


def test_what_a_checkpoint_keeps_builds_the_same_domains() -> None:
    data = domains(transform="negative", size=16, labels=True)
    assert data.source is not None
    assert data.source["name"] == "digit_domains"
    again = domains(**data.source["options"])
    assert torch.equal(again.test_dataset[5]["b"], data.test_dataset[5]["b"])
    assert again.num_classes == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transform": "blur"}, "transform 'blur'; allowed: 'edge', 'negative', 'colour'"),
        ({"digits": "usps"}, "digits 'usps'; allowed: 'embedded', 'mnist'"),
        ({"size": 7}, "size 7; allowed: 8 or more"),
        ({"size": 24, "digits": "mnist"}, "size 24; allowed: 28 or more"),
        ({"batch_size": 0}, "batch_size 0; allowed: 1 or more"),
    ],
)
def test_options_outside_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        DigitDomains(**options)
    assert str(caught.value) == message
