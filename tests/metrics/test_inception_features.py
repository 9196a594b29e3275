"""Inception features with random weights: torch-fidelity's own numbers, and what is said when the file is missing."""

from __future__ import annotations

import hashlib
import re
import socket
from pathlib import Path

import pytest
import torch
from torch import Tensor

pytest.importorskip("torch_fidelity")

from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from lightning_gans.metrics.features import InceptionFeatures, features_cache, inception, inception_weights_present


@pytest.fixture(scope="module")
def untrained() -> InceptionFeatures:
    return InceptionFeatures.untrained(seed=0)


@pytest.fixture(scope="module")
def weights(untrained: InceptionFeatures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the right layout, with other weights than Inception's."""
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save(untrained.network.state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty folders wherever weights are looked for, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LIGHTNING_GANS_INCEPTION", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(inception, "URL", f"http://127.0.0.1:{closed.getsockname()[1]}/{inception.FILE}")


def images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_equals_torch_fidelity(untrained: InceptionFeatures, weights: Path) -> None:
    theirs = FeatureExtractorInceptionV3("x", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights))
    for batch in (images(2, 3, 32, 20), images(1, 3, 299, 299)):
        features, logits = theirs(batch)
        mine = untrained(batch)
        assert mine.features.shape == (len(batch), 2048)
        assert mine.logits is not None
        assert mine.logits.shape == (len(batch), 1008)
        assert features.std() > 0.01  # the comparison is of something
        torch.testing.assert_close(mine.features, features, rtol=0, atol=0)
        torch.testing.assert_close(mine.logits, logits, rtol=0, atol=0)


def test_grey_is_repeated_and_alpha_refused(untrained: InceptionFeatures) -> None:
    grey = images(1, 1, 28, 28)
    torch.testing.assert_close(untrained(grey).features, untrained(grey.expand(-1, 3, -1, -1)).features)
    message = "images of 4 channels; allowed for Inception features: 1, 3"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        untrained(images(1, 4, 28, 28))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        untrained.resize((4, 28, 28))


def test_says_what_it_is(untrained: InceptionFeatures) -> None:
    assert untrained.name == "inception_untrained"  # no score of it can be called fid
    assert (untrained.dim, untrained.num_classes) == (2048, 1008)
    assert untrained.describe() == f"inception_untrained {untrained.fingerprint} (2048 features)"
    assert untrained.resize((3, 299, 299)) == "none"
    assert untrained.resize((3, 32, 32)) == "TF1 bilinear to 299x299"
    assert untrained.resize((1, 32, 32)) == "TF1 bilinear to 299x299, grey repeated to RGB"
    assert inception.HASH in inception.FILE
    assert URL_INCEPTION_V3.endswith(f"/{inception.FILE}")


def test_untrained_weights_are_seeded_and_leave_the_global_state_alone(untrained: InceptionFeatures) -> None:
    before = torch.get_rng_state()
    again, other = (InceptionFeatures.untrained(seed=seed) for seed in (0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert again.fingerprint == untrained.fingerprint != other.fingerprint
    assert not other.train().training


def test_another_file_is_refused(weights: Path) -> None:
    found = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    message = (
        f"'{weights}' is not weights-inception-2015-12-05-6726825d.pth: its SHA-256 starts with {found}, "
        f"expected 6726825d; get it from {inception.URL}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        InceptionFeatures(weights)


def test_missing_file_and_no_network() -> None:
    assert not inception_weights_present()
    message = (
        "no Inception weights, and no download (<urlopen error [Errno 111] Connection refused>): get "
        f"weights-inception-2015-12-05-6726825d.pth (SHA-256 6726825d...) from {inception.URL} "
        f"and put it into {features_cache()}, or name it in $LIGHTNING_GANS_INCEPTION"
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        InceptionFeatures()


def test_a_named_file_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gone.pth"
    message = f"no Inception weights at '{path}'; needed there: {inception.FILE} of {inception.URL}"
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        InceptionFeatures(path)
    monkeypatch.setenv("LIGHTNING_GANS_INCEPTION", str(path))
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        InceptionFeatures()


@pytest.mark.parametrize("place", ["environment", "hub", "cache", "cache, as pytorch-fid calls it"])
def test_where_weights_are_found(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(torch.hub.get_dir()) / "checkpoints" if place == "hub" else features_cache()
    path = tmp_path / "mine.pth"
    if place == "environment":
        monkeypatch.setenv("LIGHTNING_GANS_INCEPTION", str(path))
    else:
        path = folder / (inception.ALIAS if "pytorch-fid" in place else inception.FILE)
        folder.mkdir(parents=True)
    path.write_bytes(b"not it")
    assert inception_weights_present()
    with pytest.raises(ValueError, match=f"^{re.escape(repr(str(path)))} is not "):
        InceptionFeatures()


def test_the_right_file(untrained: InceptionFeatures, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "HASH", hashlib.sha256(weights.read_bytes()).hexdigest()[:8])
    features = InceptionFeatures(weights)
    assert features.name == ""
    assert features.fingerprint == untrained.fingerprint
    assert features.describe() == f"inception-2015-12-05 {untrained.fingerprint} (2048 features)"
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_without_torch_fidelity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError, match=r"^Inception features need torch-fidelity: pip install torch-fidelity$"
    ):
        InceptionFeatures()
