"""Facts of Brock et al. 2018, and the contract for BigGAN's networks with and without classes."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from lightning_gans import BigGAN
from lightning_gans.layers.attention import SelfAttention
from lightning_gans.layers.conditional_norm import ConditionalNorm
from lightning_gans.layers.cross_replica_norm import CrossReplicaBatchNorm
from lightning_gans.layers.residual import ResidualBlock
from lightning_gans.layers.spectral_norm import SpectralNorm
from tests.contract import Contract
from tests.training import fit

SMALL: dict[str, Any] = {
    "generator_channels": 2,
    "discriminator_channels": 2,
    "embedding_dim": 5,
    "ema_start": 0,
    "ema_decay": None,
}
HIERARCHICAL: dict[str, Any] = {**SMALL, "network": "hierarchical", "latent_dim": 8, "num_classes": 10}
SHAPE = (1, 32, 32)
CANCELS = frozenset({"discriminator.head.bias"})  # while all logits lie within the hinge: -1 of real, +1 of fake images


class TestHierarchical(Contract):
    constant = CANCELS

    def tiny(self, **options: Any) -> BigGAN:
        return BigGAN(SHAPE, **{**HIERARCHICAL, "attention_size": 16, **options})


class TestFlat(Contract):
    constant = CANCELS

    def tiny(self, **options: Any) -> BigGAN:
        return BigGAN(SHAPE, **{**SMALL, "num_classes": 10, "latent_dim": 6, "init": "normal", **options})


class TestWithoutClasses(Contract):
    constant = CANCELS

    def tiny(self, **options: Any) -> BigGAN:
        sizes = {**HIERARCHICAL, "conditional": False, "d_steps": 1}
        return BigGAN(SHAPE, **{**sizes, **options})


class TestReleased(Contract):
    constant = CANCELS

    def tiny(self, **options: Any) -> BigGAN:
        return BigGAN(SHAPE, **{**HIERARCHICAL, "release": "biggan_pytorch", **options})


def seeded(**options: Any) -> BigGAN:
    torch.manual_seed(0)
    return BigGAN(SHAPE, **{**HIERARCHICAL, **options})


@pytest.mark.parametrize(
    ("side", "generator", "critic"), [(32, None, None), (64, 2, 0), (128, 3, 0), (256, 3, 1), (512, 3, 2)]
)
def test_sizes_and_where_attention_is(side: int, generator: int | None, critic: int | None) -> None:
    model = BigGAN((3, side, side), num_classes=7, generator_channels=1, discriminator_channels=1)
    with torch.no_grad():
        images = model(torch.randn(2, model.latent_dim), torch.zeros(2, dtype=torch.long))
        assert images.shape == (2, 3, side, side)
        assert model.discriminate(images, torch.zeros(2, dtype=torch.long)).shape == (2,)
    assert (model.generator.attended, model.discriminator.attended) == (generator, critic)
    halvings = [block.resample for block in model.discriminator.blocks].count("down")
    assert side >> halvings == (8 if side == 32 else 4)


def test_latents_are_split_in_order_and_every_chunk_reaches_its_block_only() -> None:
    model = seeded().eval()
    inputs: dict[int, torch.Tensor] = {}
    for index, block in enumerate(model.generator.blocks):
        block.register_forward_pre_hook(lambda _, args, i=index: inputs.update({i: args[0].clone()}))
    latents, labels = torch.randn(2, 8), torch.tensor([1, 2])
    image = model(latents, labels)
    before = dict(inputs)
    for chunk in range(4):  # 0: the dense layer; i + 1: block i
        moved = latents.clone()
        moved[:, 2 * chunk : 2 * chunk + 2] += 1.0
        assert not torch.allclose(model(moved, labels), image)
        changed = [index for index in before if not torch.equal(inputs[index], before[index])]
        assert changed == list(range(chunk, 3))


def test_one_embedding_for_all_blocks_and_spectral_norm_on_all_else() -> None:
    model = seeded(attention_size=16)
    plain = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear, nn.Embedding)) and not isinstance(layer, SpectralNorm)
    ]
    assert sorted(plain) == ["generator.shared"]
    norms = [layer for layer in model.generator.modules() if isinstance(layer, ConditionalNorm)]
    assert len(norms) == 6
    assert {(norm.gain.in_features, norm.gain.bias, norm.base) for norm in norms} == {(5 + 2, None, 1.0)}
    assert isinstance(model.generator.norm, CrossReplicaBatchNorm)
    assert model.generator.norm.affine
    assert all(isinstance(norm.norm, CrossReplicaBatchNorm) and not norm.norm.affine for norm in norms)


def test_condition_joins_the_class_first_then_the_chunk() -> None:
    model = seeded().eval()
    seen: list[torch.Tensor] = []
    first = model.generator.blocks[0].norm1
    first.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    latents, labels = torch.randn(2, 8), torch.tensor([3, 4])
    model(latents, labels)
    torch.testing.assert_close(seen[0], torch.cat([model.generator.shared(labels), latents[:, 2:4]], dim=1))


def test_gain_without_weights_is_one() -> None:
    model = seeded().eval()
    norm = model.generator.blocks[0].norm1
    with torch.no_grad():
        norm.gain.weight.zero_()
        norm.offset.weight.zero_()
    norm.gain.u.zero_(), norm.offset.u.zero_()
    norm.gain.normalized_weight = norm.offset.normalized_weight = lambda: norm.gain.weight  # no 0 / 0
    features = torch.randn(2, 8, 4, 4)
    torch.testing.assert_close(norm(features, torch.randn(2, 7)), norm.norm(features))


def test_critics_blocks_are_wide_and_sum_pooled_features_are_projected() -> None:
    model = BigGAN((1, 64, 64), num_classes=3, discriminator_channels=2, generator_channels=2).eval()
    for block in model.discriminator.blocks:
        assert isinstance(block, ResidualBlock)
        assert block.conv1.out_channels == block.conv2.out_channels
    critic, images = model.discriminator, torch.randn(2, 1, 64, 64)
    pooled: list[torch.Tensor] = []
    critic.head.register_forward_pre_hook(lambda _, args: pooled.append(args[0]))
    zeros, ones = (critic(images, torch.full((2,), label)) for label in (0, 1))
    vectors = critic.classes.normalized_weight()
    torch.testing.assert_close(ones - zeros, pooled[0] @ (vectors[1] - vectors[0]), atol=1e-5, rtol=1e-4)


def test_equal_shortcuts() -> None:
    sizes = {"image_shape": (3, 256, 256), "discriminator_channels": 1, "generator_channels": 1}
    learned, plain = BigGAN(**sizes).discriminator, BigGAN(**sizes, equal_shortcuts=False).discriminator
    assert isinstance(learned.blocks[4].shortcut, nn.Conv2d)
    assert isinstance(plain.blocks[4].shortcut, nn.Identity)
    assert plain(torch.zeros(1, 3, 256, 256)).shape == (1,)


def test_start_is_orthogonal() -> None:
    model = seeded(init="orthogonal")
    weight = model.generator.blocks[0].conv1.weight.flatten(1)
    torch.testing.assert_close(weight @ weight.t(), torch.eye(8), atol=1e-5, rtol=0)
    assert isinstance(model.generator.shared, nn.Embedding)
    shared = model.generator.shared.weight  # (10, 5): columns
    torch.testing.assert_close(shared.t() @ shared, torch.eye(5), atol=1e-5, rtol=0)
    normal = BigGAN((1, 32, 32), num_classes=10, generator_channels=16, init="normal").generator
    assert normal.blocks[0].conv1.weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert normal.blocks[0].norm1.gain.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_orthogonal_regularisation_is_the_exact_gradient_and_spares_embeddings() -> None:
    model = seeded(orthogonal_weight=0.1)
    weights = dict(model.generator.named_parameters())
    with torch.no_grad():
        for weight in weights.values():
            weight.normal_()
    matrices = [w for name, w in weights.items() if w.dim() > 1 and name != "shared.weight"]
    value = sum((m.flatten(1) @ m.flatten(1).t()).fill_diagonal_(0.0).square().sum() for m in matrices)
    expected = dict(zip(map(id, matrices), torch.autograd.grad(0.1 * value, matrices), strict=True))
    for weight in weights.values():
        weight.grad = torch.zeros_like(weight)
    model.adjust_gradients("discriminator")
    assert not any(weight.grad.any() for weight in weights.values())
    model.adjust_gradients("generator")
    for name, weight in weights.items():
        wanted = expected.get(id(weight), torch.zeros_like(weight))
        torch.testing.assert_close(weight.grad, wanted, atol=1e-3, rtol=1e-4, msg=name)


def test_hinge() -> None:
    model = seeded()
    with torch.no_grad():
        model.discriminator.head.bias.fill_(0.5)
    model.discriminator.forward = lambda images, labels: torch.full((len(images),), 0.5)  # type: ignore[method-assign]
    batch = {"images": torch.zeros(4, *SHAPE), "labels": torch.zeros(4, dtype=torch.long)}
    terms = model.discriminator_loss(batch)
    assert (terms["real"].item(), terms["fake"].item()) == (0.5, 1.5)
    assert model.generator_loss(batch)["adversarial"].item() == -0.5


def test_average_is_a_copy_until_it_starts_and_two_turns_of_the_critic() -> None:
    for start, equal in ((2, True), (1, False)):
        model = seeded(ema_start=start, ema_decay=0.9)
        assert model.d_steps == 2
        fit(model, 2)
        assert model.generator_ema is not None
        pairs = zip(model.generator.parameters(), model.generator_ema.parameters(), strict=True)
        assert all(torch.equal(live, mean) for live, mean in pairs) is equal


def test_the_papers_settings_are_the_defaults() -> None:
    with torch.device("meta"):
        model = BigGAN(num_classes=1000)
    assert (model.lr, model.discriminator_lr, model.betas, model.d_steps) == (5e-5, 2e-4, (0.0, 0.999), 2)
    assert (model.ema_decay, model.ema_start, model.orthogonal_weight) == (0.9999, 20_000, 1e-4)
    assert model.latent_dim == 120
    eps = {m.eps for m in model.generator.modules() if isinstance(m, (CrossReplicaBatchNorm, SpectralNorm))}
    assert eps == {1e-4}
    assert isinstance(model.generator.attention, SelfAttention)


def test_truncated_latents_are_drawn_anew_not_clamped() -> None:
    model = seeded(latent_dim=400)
    full, cut = model.sample_latents(range(50), 3), model.sample_latents(range(50), 3, 0.5)
    inside = full.abs() < 0.5
    assert torch.equal(cut[inside], full[inside])
    assert cut.abs().max() < 0.5
    assert (cut.abs() > 0.499).float().mean() < 0.01  # clamping would leave 0.6 of them at 0.5
    # the variance of N(0, 1) between -t and t: 1 - 2 t phi(t) / (2 Phi(t) - 1)
    density, mass = math.exp(-0.125) / math.sqrt(2 * math.pi), math.erf(0.5 / math.sqrt(2))
    assert cut.var().item() == pytest.approx(1 - density / mass, rel=0.03)
    assert torch.equal(model.sample_latents([7], 3, 0.5)[0], cut[7])
    assert torch.equal(model.sample_latents(range(50), 3, 1.0), full)


def test_statistics_are_those_of_truncated_latents() -> None:
    model = seeded(attention_size=0)
    model.standing_batches = 2
    means = []
    for truncation in (1.0, 0.1):
        model.generate(2, seed=1, truncation=truncation)
        assert model._sampler is not None
        norm = model._sampler[1].get_submodule("blocks.1.norm1.norm")
        means.append(norm.running_var.clone())
    assert not torch.allclose(*means, rtol=0.01)
    torch.testing.assert_close(
        model.generate(5, seed=1, truncation=0.3)[:2],
        model.generate(2, seed=1, truncation=0.3, batch_size=1),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_shape": (1, 48, 48)}, "images of 48x48; allowed: squares of 32, 64, 128, 256, 512 (nearest: 32x32)"),
        ({"image_shape": (1, 32, 64)}, "images of 32x64; allowed: squares of 32, 64, 128, 256, 512 (nearest: 64x64)"),
        ({"network": "deep"}, "network 'deep'; allowed: hierarchical, flat"),
        (
            {"latent_dim": 9},
            "latent_dim=9; allowed: multiples of 4, a chunk for each block and one more (nearest: 8)",
        ),
        ({"attention_size": 64}, "attention at 64x64 maps; allowed in this generator: 0, 8, 16, 32 (0: none)"),
        ({"num_classes": 0}, "num_classes=0; allowed: None, or 1 or more"),
        ({"init": "glorot"}, "init 'glorot'; allowed: orthogonal, normal"),
        ({"orthogonal_weight": -1.0}, "orthogonal_weight=-1.0; allowed: 0 or more"),
        ({"truncation_trick": "clip"}, "truncation_trick 'clip'; allowed: factor, threshold, bounded_factor"),
        ({"release": "tf"}, "release 'tf'; allowed: None, biggan_pytorch"),
        ({"chunk_dim": 0}, "chunk_dim=0; allowed: 1 or more"),
        ({"generator_norm": "batc"}, "norm 'batc'; allowed: batch, cross_replica, group, layer, instance, none"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        BigGAN(**{"image_shape": SHAPE, **HIERARCHICAL, **options})
    assert str(caught.value) == message


def test_wrong_samples() -> None:
    model = seeded()
    for truncation in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=rf"^truncation={truncation}; allowed: 0.001 or more, 1 = none$"):
            model.generate(1, truncation=truncation)
    with pytest.raises(ValueError, match=r"^labels \[0, 10\]; allowed: 0 to 9$"):
        model.generate(2, labels=[0, 10])
