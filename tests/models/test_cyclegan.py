"""Facts of Zhu et al. 2017, and the contract."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from datamodules import Digits
from lightning_gans import CycleGAN, load
from lightning_gans.core.loading import write_weights
from tests.contract import SaveAt, TranslationContract
from tests.training import fit, same_state, state_of
from tests.translation import Domains, pictures_of

SHAPES: dict[str, Any] = {"source_shape": (1, 16, 16), "target_shape": (1, 16, 16)}
SMALL: dict[str, Any] = {
    **SHAPES,
    "network": "resnet_6",
    "receptive_field": 16,
    "generator_channels": 2,
    "discriminator_channels": 4,
}


class TestCycleGAN(TranslationContract):
    # An offset of what instance norm sees is taken off again: it moves by rounding errors only.
    constant = frozenset(
        f"generator.{way}.{layer}.conv.bias"
        for way in ("AtoB", "BtoA")
        for layer in (
            *("first", "downs.0", "downs.1", "ups.0", "ups.1"),
            *(f"blocks.{block}.{place}" for block in range(6) for place in ("first", "second")),
        )
    ) | {f"discriminator.{domain}.blocks.1.conv.bias" for domain in "ab"}

    def tiny(self, **options: Any) -> CycleGAN:
        return CycleGAN(**{**SMALL, **options})

    def data(self) -> Domains:
        return Domains(size=16, batch_size=8)


class TestBatchNorm(TestCycleGAN):
    def tiny(self, **options: Any) -> CycleGAN:
        return super().tiny(norm="batch", dropout=True, pool_size=4, **options)


def batch(n: int = 2) -> dict[str, Tensor]:
    return {"a": pictures_of(n, 1, 16), "b": pictures_of(n, 1, 16, seed=1)}


def mean_absolute(first: Tensor, second: Tensor) -> float:
    differences = [abs(a - b) for a, b in zip(first.flatten().tolist(), second.flatten().tolist(), strict=True)]
    return sum(differences) / len(differences)


@pytest.mark.parametrize("join_passes", [True, False])
def test_losses_by_hand(join_passes: bool) -> None:
    torch.manual_seed(0)
    model = CycleGAN(**SMALL, cycle_weight=3.0, cycle_weight_b=5.0, identity_weight=0.25, join_passes=join_passes)
    there, back = model.generator["AtoB"], model.generator["BtoA"]
    for domain, logit in (("a", 3.0), ("b", -2.0)):
        nn.init.zeros_(model.discriminator[domain].head.weight)
        nn.init.constant_(model.discriminator[domain].head.bias, logit)
    given = batch()
    terms = {name: value.item() for name, value in model.generator_loss(given).items()}
    with torch.no_grad():
        fake_b, fake_a = there(given["a"]), back(given["b"])
        wanted = {
            "adversarial_b": (-2.0 - 1.0) ** 2,  # (D_b(G(a)) - 1)^2
            "adversarial_a": (3.0 - 1.0) ** 2,
            "cycle_a": 3.0 * mean_absolute(back(fake_b), given["a"]),
            "cycle_b": 5.0 * mean_absolute(there(fake_a), given["b"]),
            "identity_b": 0.25 * 5.0 * mean_absolute(there(given["b"]), given["b"]),
            "identity_a": 0.25 * 3.0 * mean_absolute(back(given["a"]), given["a"]),
        }
    assert terms == pytest.approx(wanted, rel=1e-4)
    model._judged = {"a": [fake_a], "b": [fake_b]}
    halves = {name: value.item() for name, value in model.discriminator_loss(given).items()}
    assert halves == pytest.approx({"real_a": 0.5 * 4, "fake_a": 0.5 * 9, "real_b": 0.5 * 9, "fake_b": 0.5 * 4})


def test_generators_first_and_no_pass_twice() -> None:
    model = CycleGAN(**SMALL, join_passes=False, pool_size=0)
    rows: dict[str, list[Tensor]] = {"AtoB": [], "BtoA": []}
    for way, network in model.generator.items():
        network.register_forward_pre_hook(lambda _, inputs, way=way: rows[way].append(inputs[0].detach().clone()))
    judged: list[tuple[str, str, Tensor]] = []
    for domain, critic in model.discriminator.items():
        critic.register_forward_pre_hook(
            lambda _, inputs, domain=domain: judged.append((model._moving or "", domain, inputs[0].detach().clone()))
        )
    fit(model, 1, Domains(size=16, batch_size=2))
    for passes in rows.values():
        assert len(passes) == 3  # translation, way back, identity
        assert not any(torch.equal(one, two) for i, one in enumerate(passes) for two in passes[:i])
    assert [row[:2] for row in judged[:2]] == [("generator", "b"), ("generator", "a")]
    assert [row[:2] for row in judged[2:]] == [("discriminator", d) for d in ("a", "a", "b", "b")]
    made = {domain: images for player, domain, images in judged[:2] for _ in [player]}
    assert torch.equal(judged[3][2], made["a"])  # what the generators' turn made
    assert torch.equal(judged[5][2], made["b"])


def test_joined_passes_give_the_same_run() -> None:
    runs = []
    for join_passes in (True, False):
        torch.manual_seed(0)
        model = CycleGAN(**SMALL, join_passes=join_passes)
        calls: list[int] = []
        model.generator["AtoB"].register_forward_hook(lambda *_, calls=calls: calls.append(1))
        fit(model, 2, Domains(size=16, batch_size=2))
        runs.append((len(calls), model.terms))
    assert [calls for calls, _ in runs] == [4, 6]
    for name, value in runs[0][1].items():
        assert value.item() == pytest.approx(runs[1][1][name].item(), rel=2e-3), name


def test_accumulated_chunks_equal_the_whole() -> None:
    states = []
    for accumulate in (1, 2):
        torch.manual_seed(0)
        model = CycleGAN(**SMALL, accumulate=accumulate)
        fit(model, 2, Domains(size=16, batch_size=4))
        states.append({name: value.item() for name, value in model.terms.items()})
        assert [len(pool.images) for pool in model.pools.values()] == [8, 8]
    assert states[0] == pytest.approx(states[1], rel=1e-2)


def test_pools_are_in_the_checkpoint_and_a_resumed_run_is_exact(tmp_path: Path) -> None:
    path = str(tmp_path / "half.ckpt")
    options = {**SMALL, "pool_size": 3}
    whole = CycleGAN(**options)
    runner = fit(whole, 6, Domains(size=16, batch_size=2), callbacks=[SaveAt(3, path)])
    checkpoint = torch.load(path, weights_only=True)
    (pools,) = checkpoint["pools"]
    assert {domain: len(images) for domain, images in pools.items()} == {"a": 3, "b": 3}
    resumed = CycleGAN(**options)
    again = fit(resumed, 6, Domains(size=16, batch_size=2), ckpt_path=path, seed=9)
    assert same_state(state_of(whole, runner), state_of(resumed, again)) == []
    for domain, pool in whole.pools.items():
        assert all(torch.equal(a, b) for a, b in zip(pool.images, resumed.pools[domain].images, strict=True))
    checkpoint["pools"][0]["a"] = checkpoint["pools"][0]["a"][::-1]  # the comparison can fail
    torch.save(checkpoint, path)
    other = CycleGAN(**options)
    assert same_state(
        state_of(whole, runner), state_of(other, fit(other, 6, Domains(size=16, batch_size=2), ckpt_path=path))
    )


def test_a_new_run_starts_with_empty_pools(tmp_path: Path) -> None:
    model = CycleGAN(**SMALL)
    fit(model, 2, Domains(size=16, batch_size=2)).save_checkpoint(tmp_path / "a.ckpt")
    assert len(model.pools["a"].images) == 4
    loaded = load(tmp_path / "a.ckpt")
    assert isinstance(loaded, CycleGAN)
    fit(loaded, 1, Domains(size=16, batch_size=2))
    assert len(loaded.pools["a"].images) == 2
    write_weights(loaded, tmp_path / "b.ckpt")  # without pools
    load(tmp_path / "b.ckpt")


def test_unequal_channels_have_no_identity_term_and_it_says_so() -> None:
    options = {**SMALL, "source_shape": (3, 16, 16)}
    model = CycleGAN(**options)
    message = r"^the identity term is off: domain a has 3 channels, b 1 \(identity_weight 0 says the same\)$"
    with pytest.warns(UserWarning, match=message):
        fit(model, 1, Domains(grey=True, size=16, channels=3, batch_size=2))
    assert not any("identity" in name for name in model.terms)
    assert model.translate(pictures_of(2, 3, 16)).shape == (2, 1, 16, 16)
    assert model.translate(pictures_of(2, 1, 16), "BtoA").shape == (2, 3, 16, 16)
    assert [shape[0] for shape in model.shapes("BtoA")] == [1, 3]


def test_defaults_are_the_pytorch_releases() -> None:
    with torch.device("meta"):
        model = CycleGAN()
    assert (model.lr, model.betas, model.identity_weight) == (2e-4, (0.5, 0.999), 0.5)
    assert model.cycle_weights == {"a": 10.0, "b": 10.0}
    assert {pool.size for pool in model.pools.values()} == {50}
    assert (model.decision_threshold, model.turn_order) == (0.5, ("generator", "discriminator"))
    lua = CycleGAN(**{**SMALL, "generator_channels": 16, "release": "lua"})
    gains = torch.cat([m.weight.detach() for m in lua.modules() if isinstance(m, nn.InstanceNorm2d)])
    assert (gains.mean().item(), gains.std().item()) == (pytest.approx(1.0, abs=0.005), pytest.approx(0.02, rel=0.1))


def test_a_block_adds_and_nothing_follows() -> None:
    model = CycleGAN(**SMALL)
    block = model.generator["AtoB"].blocks[0]
    maps = torch.randn(1, 8, 6, 6)
    padded = nn.functional.pad(maps, (1, 1, 1, 1), mode="reflect")
    inside = block.first.norm(block.first.conv(padded)).relu()
    outside = block.second.norm(block.second.conv(nn.functional.pad(inside, (1, 1, 1, 1), mode="reflect")))
    torch.testing.assert_close(block(maps), maps + outside)
    assert (block(maps) < 0).any()


def test_what_it_cannot_use() -> None:
    for options, message in (
        ({"adversarial": "hinge"}, r"^adversarial 'hinge'; allowed: least_squares, non_saturating$"),
        ({"identity_weight": -1}, r"^identity_weight=-1; allowed: 0 or more$"),
        ({"pool_size": -1}, r"^pool_size=-1; allowed: 0 or more$"),
        (
            {"share_fakes": False},
            r"^share_fakes=False; allowed: True \(critics judge what the generators' turn made\)$",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            CycleGAN(**{**SMALL, **options})
    model = CycleGAN(**SMALL)
    for given, message in (
        (
            {"images": batch()["a"]},
            r"a batch of images; allowed: a and b, images of two domains \(--data unpaired_folder\)",
        ),
        ({**batch(), "b": pictures_of(2, 3, 16)}, r"b of 3x16x16; this model was built for 1x16x16 \(target_shape\)"),
        ({**batch(), "b": batch(3)["b"]}, r"2 images of a and 3 of b; allowed: as many of both"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            model.check_batch(given)
    with pytest.raises(ValueError, match="allowed: a and b, images of two domains"):
        fit(model, 1, Digits(size=16, batch_size=2))
