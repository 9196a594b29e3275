"""The whole way from images to scores, beside torch-fidelity's: the same network of random weights registered on both sides."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch_fidelity
from torch import Tensor
from torch.utils.data import Dataset
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from lightning_gans.metrics.images import TensorImages
from lightning_gans.metrics.inception_score import inception_score
from lightning_gans.metrics.scores import evaluate
from tests.metrics.extractors import random_features

N = 300


class Registered(FeatureExtractorBase):  # type: ignore[misc]
    """Our test network, as torch-fidelity wants it: colour images in, a tuple of the requested outputs out."""

    def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
        super().__init__(name, features_list)
        self.network = random_features()

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return "features", "logits"

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "logits" if metric == "isc" else "features"

    @staticmethod
    def can_be_compiled() -> bool:
        return False

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        extracted = self.network(images[:, :1])
        return tuple(getattr(extracted, name) for name in self.features_list)


class Colour(Dataset[Tensor]):
    def __init__(self, images: Tensor) -> None:
        self.images = images.expand(-1, 3, -1, -1)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


def test_fid_kid_is_precision_and_recall_are_those_of_torch_fidelity() -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.rand(N, 1, 16, 16, generator=generator) for _ in range(2))
    real, fake = ((images * 255).to(torch.uint8) for images in (real, fake * 0.8 + 0.2))
    torch_fidelity.register_feature_extractor("random-of-the-tests", Registered)
    theirs = torch_fidelity.calculate_metrics(
        input1=Colour(fake),  # the one that is judged
        input2=Colour(real),
        feature_extractor="random-of-the-tests",
        **dict.fromkeys(("isc", "fid", "kid", "prc"), True),
        isc_splits=1,
        kid_subsets=1,
        kid_subset_size=N,
        prc_neighborhood=3,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    scores = evaluate(TensorImages(fake), TensorImages(real), ["fid", "kid", "pr"], random_features(), cache=False)
    ours = {name.removesuffix("_random"): score.value for name, score in scores.items()}
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-4)
    assert ours["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert ours["precision"] == pytest.approx(theirs["precision"], rel=1e-4)
    assert ours["recall"] == pytest.approx(theirs["recall"], rel=1e-4)
    assert 0 < ours["precision"] < 1
    assert 0 < ours["recall"] < 1

    logits = random_features()(fake).logits
    assert logits is not None
    assert inception_score(logits, splits=1).mean == pytest.approx(theirs["inception_score_mean"], rel=1e-4)
