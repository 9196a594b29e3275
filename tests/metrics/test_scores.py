"""Scores by name: each equals its metric on the same features, and says how it was made."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from datamodules import Digits
from lightning_gans import CGAN, DCGAN
from lightning_gans.cli import evaluating
from lightning_gans.metrics.class_scores import class_accuracy, intra_class_frechet
from lightning_gans.metrics.frechet import frechet_from_features
from lightning_gans.metrics.images import DatasetImages, GeneratedImages, ImageSet, TensorImages, labels_like
from lightning_gans.metrics.inception_score import inception_score
from lightning_gans.metrics.kernel import kernel_distance
from lightning_gans.metrics.modes import Mixture
from lightning_gans.metrics.neighbors import density_coverage, precision_recall
from lightning_gans.metrics.scores import METRICS, check_metrics, evaluate, lower_is_better
from tests.metrics.extractors import random_features


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def splits() -> tuple[ImageSet, ImageSet]:
    data = Digits(size=16)
    data.setup()
    sets = (("train", data.train_dataset), ("test", data.test_dataset))
    train, test = (DatasetImages(dataset, data.image_shape, f"digits {name}") for name, dataset in sets)
    return train, test


def cgan() -> CGAN:
    torch.manual_seed(0)
    options = {"network": "dcgan", "generator_channels": 4, "discriminator_channels": 4, "ema_decay": 0.9}
    return CGAN(image_shape=(1, 16, 16), num_classes=10, **options)  # type: ignore[arg-type]


def test_every_score_equals_its_metric_on_the_same_features(splits: tuple[ImageSet, ImageSet]) -> None:
    train, test = splits
    extractor, model = random_features(), cgan()
    assert train.labels is not None
    drawn = GeneratedImages(model, 200, labels=labels_like(train, model, 200))
    scores = evaluate(
        drawn, train, ["fid", "kid", "is", "pr", "dc", "prd", "ifid", "acc", "nn"], extractor, held_out=test
    )
    real = extractor(torch.cat(list(train.batches(range(1400), 64)))).features
    fake, logits = extractor(torch.cat(list(drawn.batches(range(200), 64))))
    assert logits is not None
    assert drawn.labels is not None
    expected = {
        "fid_random": frechet_from_features(fake, real),
        "kid_random": kernel_distance(fake, real, subset_size=200).value,
        "is_random": inception_score(logits, splits=1, seed=0).mean,
        "precision_random": precision_recall(real, fake).precision,
        "recall_random": precision_recall(real, fake).recall,
        "density_random": density_coverage(real, fake).density,
        "coverage_random": density_coverage(real, fake).coverage,
        "ifid_random": intra_class_frechet(real, train.labels, fake, drawn.labels, frechet_from_features).mean,
        "acc_random": class_accuracy(logits, drawn.labels),
    }
    assert {"prd_f8_random", "prd_f1_8_random", "nn_random", "nn_copies_random", "irecall_random"} <= scores.keys()
    for name, value in expected.items():
        assert scores[name].value == pytest.approx(value, rel=1e-4), name
    assert all(score.value == score.value for score in scores.values())


def test_the_protocol_says_how_a_score_was_made(splits: tuple[ImageSet, ImageSet]) -> None:
    train, _ = splits
    extractor = random_features()
    score = evaluate(GeneratedImages(cgan(), 50, seed=4), train, ["fid"], extractor)["fid_random"]
    assert score.error is not None
    assert score.error > 0
    assert score.protocol == (
        f"features random {extractor.fingerprint} (6 features), resize: none; reference digits train (1400 images of "
        "1x16x16); 50 generated at iteration 0 (EMA weights, batch norm standing, truncation 1, classes in turn, seed 4); "
        "float32 on cpu; error: jackknife of 10 blocks"
    )


def test_pixel_scores_do_not_name_features(splits: tuple[ImageSet, ImageSet]) -> None:
    train, test = splits
    images = TensorImages(torch.cat(list(train.batches(range(300), 300))))
    scores = evaluate(images, train, ["swd", "parzen"], random_features(), held_out=test)
    assert scores.keys() == {"swd", "parzen"}
    assert scores["swd"].protocol.startswith("pixels; reference digits train")
    assert "features" not in scores["swd"].protocol


def test_held_out_images_score_far_better_than_noise(splits: tuple[ImageSet, ImageSet]) -> None:
    train, test = splits
    noise = TensorImages(torch.randint(0, 256, (397, 1, 16, 16), dtype=torch.uint8))
    extractor = random_features()
    floor, ceiling = (evaluate(s, train, ["fid"], extractor, errors=False)["fid_random"].value for s in (test, noise))
    assert 0 < floor < ceiling / 5


def test_errors_say_what_is_missing(splits: tuple[ImageSet, ImageSet]) -> None:
    train, _ = splits
    extractor = random_features()
    images = TensorImages(torch.zeros(50, 1, 16, 16))
    one = TensorImages(torch.zeros(1, 1, 16, 16))
    small = TensorImages(torch.zeros(50, 1, 8, 8))
    cases: list[tuple[ImageSet, str, str]] = [
        (small, "fid", r"^images of 1x8x8 beside a reference of 1x16x16; allowed: images of one shape$"),
        (one, "fid", r"^1 images beside 1400; allowed: at least 2 each$"),
        (
            images,
            "ifid",
            r"^ifid: the generated images have no classes; allowed: labelled data, and a model or folder with",
        ),
        (
            images,
            "acc",
            r"^acc: the generated images have no classes; allowed: labelled data, and a model or folder with",
        ),
        (images, "ppl", r"^ppl: images have no latents; allowed: a checkpoint$"),
        (images, "nn", r"^nn: the reference has no held-out split; allowed: data with one$"),
        (images, "modes", r"^modes: digits train is no mixture of Gaussians; allowed: data with known means$"),
        (images, "parzen", r"^parzen: the reference has no held-out split; allowed: data with one$"),
    ]
    for given, metric, message in cases:
        with pytest.raises(ValueError, match=message):
            evaluate(given, train, [metric], extractor)
    some = TensorImages(torch.zeros(50, 1, 16, 16), torch.arange(50) % 9)
    with pytest.raises(
        ValueError, match=r"^class 9 has no generated samples; allowed: samples of every class on both sides$"
    ):
        evaluate(some, train, ["ifid"], extractor)


class FourPoints(DCGAN):
    """Draws (1/2, 1/2) of two pixels, and every fourth time a point four deviations away, every fourth NaN."""

    def synthesize(self, network: torch.nn.Module, latents: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        points = torch.full((len(latents), 1, 1, 2), 0.5)
        points[::4] = torch.tensor([0.5, 0.5 + 4 * 0.01])
        points[1::4] = torch.nan
        return points


def test_modes_are_counted_in_unrounded_points() -> None:
    model = FourPoints(generator_channels=4, discriminator_channels=4)
    model.image_shape = (1, 1, 2)
    reference = TensorImages(torch.zeros(10, 1, 1, 2), name="points")
    reference.mixture = Mixture(torch.tensor([[0.5, 0.5], [-0.5, 0.5]]), 0.01)
    scores = evaluate(GeneratedImages(model, 40), reference, ["modes"], None)
    assert {name: score.value for name, score in scores.items()} == {
        "modes": 1,
        "high_quality": 0.5,
        "reverse_kl": pytest.approx(math.log(2)),
    }
    assert scores["high_quality"].error == pytest.approx((0.25 / 40) ** 0.5)
    assert scores["modes"].protocol.startswith(
        "pixels; reference points (10 images of 1x1x2); 40 generated at iteration"
    )
    with pytest.raises(ValueError, match=r"^modes: stored images are rounded to 8 bits; allowed: a checkpoint$"):
        evaluate(reference, reference, ["modes"], None)


def test_too_few_images_for_the_features_are_warned_of(splits: tuple[ImageSet, ImageSet]) -> None:
    lines: list[str] = []
    images = TensorImages(torch.randint(0, 256, (20, 1, 16, 16), dtype=torch.uint8))
    value = evaluate(images, splits[0], ["fid"], random_features(dim=30), warn=lines.append)["fid_random"].value
    assert value > 0
    assert len(lines) == 1
    assert lines[0].startswith("generated: 20 samples for 30 features")


def test_names_of_metrics() -> None:
    assert check_metrics("fid, kid,fid") == ["fid", "kid"]
    assert evaluating.METRICS.split() == list(METRICS)  # listed there without importing torch
    assert set(METRICS) == {"fid", "kid", "is", "pr", "dc", "prd", "ifid", "acc", "ppl", "swd", "nn", "parzen", "modes"}
    with pytest.raises(ValueError, match=r"^metric 'fdi'; allowed: fid, kid, is, .*, parzen, modes, by comma$"):
        check_metrics("fid,fdi")
    with pytest.raises(ValueError, match=r"^metric 'parzen'; allowed: fid, kid, is, pr, dc, prd, ifid, acc, by comma$"):
        check_metrics("parzen", training=True)
    with pytest.raises(ValueError, match=r"^metric ''; allowed: "):
        check_metrics("")
    lower = [
        name
        for name in ("fid", "fid_domain", "kid_domain", "is", "precision", "acc_domain", "nn")
        if lower_is_better(name)
    ]
    assert lower == ["fid", "fid_domain", "kid_domain"]


def test_unconditional_models_have_no_classes_in_their_protocol(splits: tuple[ImageSet, ImageSet]) -> None:
    model = DCGAN(image_shape=(1, 16, 16), generator_channels=4, discriminator_channels=4)
    protocol = evaluate(GeneratedImages(model, 20), splits[0], ["fid"], random_features())["fid_random"].protocol
    assert "(raw weights, batch norm standing, truncation 1, seed 0)" in protocol
