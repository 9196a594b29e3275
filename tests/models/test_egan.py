"""Facts of Wang et al. 2018, and the contract for one survivor and for several."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_gans import EGAN
from lightning_gans.models import egan
from lightning_gans.models.egan import MUTATIONS, critic_gradients, diversity, quality
from tests.contract import Contract, SaveAt
from tests.training import fit, same_state, state_of

SMALL: dict[str, Any] = {"latent_dim": 6, "generator_channels": 4, "discriminator_channels": 4}


def small(**options: Any) -> EGAN:
    torch.manual_seed(1)
    return EGAN((1, 16, 16), **{**SMALL, "d_steps": 2, **options})


class TestEGAN(Contract):
    def tiny(self, **options: Any) -> EGAN:
        return EGAN((1, 16, 16), **SMALL, **options)


class TestPopulation(Contract):
    constant = frozenset(f"waiting.0.{name}" for name, _ in small().generator.named_parameters())
    """Members that wait move only as `generator`."""

    def tiny(self, **options: Any) -> EGAN:
        return EGAN((1, 16, 16), **SMALL, **{"mu": 2, "d_steps": 2, "network": "pytorch", "lr": 2e-3, **options})


class TestPerceptrons(Contract):
    def tiny(self, **options: Any) -> EGAN:
        units = {"generator_channels": 32, "discriminator_channels": 32}
        return EGAN((1, 16, 16), network="mlp", gamma=2.0, **{**SMALL, **units, "d_steps": 1, "lr": 1e-3, **options})


# At D = 1/2: log(1/2) / 2, -log(1/2) / 2, (1/2 - 1)^2; all pull the critic's output up with the same force, 1/4.
@pytest.mark.parametrize(
    ("name", "value"), [("minimax", -math.log(2) / 2), ("heuristic", math.log(2) / 2), ("least_squares", 0.25)]
)
def test_mutations_at_zero(name: str, value: float) -> None:
    logits = torch.zeros(3, requires_grad=True)
    loss = MUTATIONS[name](logits)
    loss.backward()
    assert loss.item() == pytest.approx(value)
    torch.testing.assert_close(logits.grad, torch.full((3,), -0.25 / 3))


def test_only_the_heuristic_mutation_still_pulls_when_the_critic_is_sure() -> None:
    forces = {}
    for name, mutation in MUTATIONS.items():
        logits = torch.full((1,), -12.0, requires_grad=True)
        mutation(logits).backward()
        forces[name] = -logits.grad.item()
    assert forces["heuristic"] == pytest.approx(0.5, rel=1e-3)
    assert 0 < forces["minimax"] < 1e-5
    assert 0 < forces["least_squares"] < 3e-5


@pytest.mark.parametrize("network", ["theano", "mlp"])
def test_fitness_is_that_of_a_slow_reference(network: str) -> None:
    model = small(discriminator_channels=6, network=network)
    real, fake = torch.rand(5, 1, 16, 16) * 2 - 1, torch.rand(5, 1, 16, 16) * 2 - 1
    reference = copy.deepcopy(model.discriminator).double()
    logits, fake_gradients = critic_gradients(model.discriminator, fake, real=False)
    gradients = [
        a + b for a, b in zip(critic_gradients(model.discriminator, real, real=True)[1], fake_gradients, strict=True)
    ]

    real_logits, fake_logits = reference(real.double()), reference(fake.double())  # apart, with batch statistics
    probabilities = [1 / (1 + math.exp(-logit)) for logit in fake_logits.tolist()]
    assert quality(logits).item() == pytest.approx(sum(probabilities) / 5, rel=1e-5)
    loss = -torch.log(torch.sigmoid(real_logits)).mean() - torch.log(1 - torch.sigmoid(fake_logits)).mean()
    loss.backward()
    squares = sum(float(weight.grad.square().sum()) for weight in reference.parameters())
    assert diversity(gradients).item() == pytest.approx(-0.5 * math.log(squares), rel=1e-4)  # -log of the norm itself


def test_small_gradients_are_fit_and_vanished_ones_finite() -> None:
    gradients = [torch.tensor([3.0]), torch.tensor([[4.0]])]
    assert diversity(gradients).item() == pytest.approx(-math.log(5))
    assert diversity([gradient / 2 for gradient in gradients]) > diversity(gradients)
    assert torch.isfinite(diversity([torch.zeros(2)]))


def test_judging_leaves_no_trace_and_is_32_bit_under_autocast() -> None:
    critic = small().discriminator
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    images = torch.rand(4, 1, 16, 16)
    plain = critic_gradients(critic, images, real=True)
    with torch.autocast("cpu", torch.bfloat16):
        judged = critic_gradients(critic, images.bfloat16().float(), real=True)
        rounded = critic_gradients(critic, images.bfloat16(), real=True)
    assert plain[0].dtype == judged[0].dtype == torch.float32
    assert not plain[0].requires_grad
    torch.testing.assert_close(judged, rounded)
    assert {gradient.dtype for gradient in judged[1]} == {torch.float32}
    assert len(plain[1]) == len(list(critic.parameters()))
    assert all(weight.grad is None for weight in critic.parameters())
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())
    assert critic.training


def memory(model: EGAN) -> list[Any]:
    """What the generator's optimiser remembers, as plain numbers."""
    states = model.trainer.optimizers[0].state
    return [{k: v.tolist() for k, v in states.get(weight, {}).items()} for weight in model.generator.parameters()]


@pytest.mark.parametrize("mu", [1, 2])
def test_every_mutation_starts_from_its_parents_own_state(mu: int) -> None:
    model = small(mu=mu)
    starts: list[tuple[Tensor, Any]] = []
    update = model.update

    def watched(player: str, loss: Any, batch: Any) -> Any:
        if player == "generator":
            starts.append(
                (torch.cat([weight.detach().flatten() for weight in model.generator.parameters()]), memory(model))
            )
        return update(player, loss, batch)

    model.update = watched  # type: ignore[method-assign]
    fit(model, 3)
    assert len(starts) == 3 * 3 * mu
    for first in range(0, len(starts), 3):  # siblings
        for weights, state in starts[first + 1 : first + 3]:
            assert torch.equal(weights, starts[first][0])
            assert state == starts[first][1]
    steps = [state[0]["step"] for _, state in starts if state[0]]
    assert steps == [1.0] * 3 * mu + [2.0] * 3 * mu  # one step a generation, whatever was tried
    parents = [starts[first][0] for first in range(0, len(starts), 3)]
    assert not any(torch.equal(a, b) for i, a in enumerate(parents) for b in parents[:i])


@pytest.mark.parametrize("favourite", list(MUTATIONS))
def test_the_fittest_child_stays_with_its_optimiser_state(favourite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    children: list[Any] = []
    judge = model._judge

    def biased(real_gradients: list[Tensor]) -> Any:
        child = judge(real_gradients)
        children.append(child._replace(quality=child.quality + (child.mutation == favourite)))
        return children[-1]

    monkeypatch.setattr(model, "_judge", biased)
    fit(model, 2)
    (best,) = (child for child in children[3:] if child.mutation == favourite)
    assert all(torch.equal(a, b) for a, b in zip(model.generator.parameters(), best.member.tensors, strict=True))
    assert memory(model) == [{k: v.tolist() for k, v in state.items()} for state in best.member.states]
    assert model.terms["generator/adversarial"] == best.terms["generator/adversarial"]
    bred = {name: model.records[f"generator/bred_by_{name}"].tolist() for name in MUTATIONS}
    assert bred == {name: [float(name == favourite)] for name in MUTATIONS}
    assert model.records["generator/quality"].tolist() == [best.quality.item()]
    assert model.records["generator/diversity"].tolist() == [best.diversity.item()]
    for child in children[3:]:
        assert model.records[f"generator/{child.mutation}"].tolist() == [child.terms["generator/adversarial"].item()]


@pytest.mark.parametrize(("gamma", "spread"), [(0.0, False), (1e6, True)])
def test_gamma_weighs_diversity(gamma: float, spread: bool) -> None:
    model = small(gamma=gamma)
    seen: list[Any] = []
    select = model._select
    model._select = lambda children: (seen.append(children), select(children))[1]  # type: ignore[method-assign,func-returns-value]
    fit(model, 1)
    best = max(seen[0], key=lambda child: child.diversity.item() if spread else child.quality.item())
    assert model.records[f"generator/bred_by_{best.mutation}"].tolist() == [1.0]


@pytest.mark.parametrize("mu", [1, 2, 3])
def test_the_critic_sees_what_its_survivors_were_judged_by(mu: int) -> None:
    model = small(mu=mu)
    shown: list[Tensor] = []
    turn = model.discriminator_turn

    def watched(batch: Any) -> None:
        shown.append(batch["fakes"].clone())
        turn(batch)

    model.discriminator_turn = watched  # type: ignore[method-assign]
    fit(model, 2)
    latents, fakes = model._whole["latents"], torch.cat(shown[2:])  # of the second iteration
    assert len(latents) == len(fakes) == 16
    with torch.no_grad():
        for index, generator in enumerate([model.generator, *model.waiting]):
            torch.testing.assert_close(fakes[index::mu], generator(latents)[index::mu], atol=1e-6, rtol=1e-5)


def test_candidates_are_judged_on_the_same_noise_and_trained_on_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    drawn: list[Tensor] = []
    synthesize = model.synthesize
    monkeypatch.setattr(
        model,
        "synthesize",
        lambda network, latents, labels: (drawn.append(latents), synthesize(network, latents, labels))[1],
    )
    fit(model, 1)
    trained, judged = drawn[0:6:2], drawn[1:6:2]
    assert all(torch.equal(latents, judged[0]) for latents in judged)
    assert len({latents.sum().item() for latents in trained}) == 3
    assert judged[0].abs().max() <= 1.0  # uniform
    assert [len(latents) for latents in (trained[0], judged[0])] == [8, 16]


def test_accumulated_halves_are_the_whole() -> None:
    # Without batch norm, which only the penalty leaves out; chunks of images go with chunks of the survivors' fakes.
    models = [small(mu=2, penalty_weight=1.0, accumulate=accumulate, lr=1e-3) for accumulate in (1, 2)]
    for model in models:
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(
                    5.0
                )  # at the usual start the critic's outputs, so the children's fitness, differ by rounding
        fit(model, 3)
    one, two = (model.state_dict() for model in models)
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], atol=1e-5, rtol=1e-4, msg=name)


def test_waiting_members_optimiser_states_are_saved_and_forgotten_by_a_new_run(tmp_path: Path) -> None:
    path = str(tmp_path / "half.ckpt")
    model = small(mu=3, gamma=0.5, lr=5e-3)
    kept = state_of(model, fit(model, 8, callbacks=[SaveAt(4, path)]))
    saved = torch.load(path, weights_only=True)["adversarial"]["waiting"]
    assert [[state["step"].item() for state in member] for member in saved] == [[4.0] * len(saved[0])] * 2
    resumed = EGAN.load_from_checkpoint(path)
    assert len(resumed._waiting_states) == 2
    assert same_state(kept, state_of(resumed, fit(resumed, 8, ckpt_path=path))) == []
    fit(resumed, 1)  # from the weights, with a new optimiser
    assert [state["step"].item() for member in resumed._waiting_states for state in member] == [1.0] * 2 * len(saved[0])


def test_the_best_member_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small(mu=2, lr=1e-2)
    fit(model, 3)
    latents = model.sample_latents(range(4), 3)
    with torch.no_grad():
        torch.testing.assert_close(model.generate(4, seed=3), model.generator(latents))
        assert not torch.allclose(model.generate(4, seed=3), model.waiting[0](latents))
    assert [name for name, network in model.players.items() if network in model.waiting] == []


def test_the_gradient_penalty_takes_momentum_and_batch_norm_from_the_critic() -> None:
    for weight, betas, norms in ((0.0, (0.5, 0.999), 1), (2.0, (0.0, 0.999), 0)):
        model = small(penalty_weight=weight)
        runner = fit(model, 1)
        assert runner.optimizers[0].param_groups[0]["betas"] == (0.5, 0.999)
        assert runner.optimizers[1].param_groups[0]["betas"] == betas
        assert sum(isinstance(module, nn.BatchNorm2d) for module in model.discriminator.modules()) == norms
        assert ("discriminator/gradient_penalty" in model.terms) == bool(weight)


def test_where_norms_stand_and_how_weights_start() -> None:
    model = EGAN()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.generator.modules())
    names = [type(module).__name__ for module in model.discriminator.layers]
    assert names == ["Conv2d", "LeakyReLU"] + ["Conv2d", "BatchNorm2d", "LeakyReLU"] * 2
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert module.bias is None or not module.bias.any()


@pytest.mark.parametrize("side", [16, 32, 64, 128])
@pytest.mark.parametrize("network", ["theano", "pytorch"])
def test_any_power_of_two(side: int, network: str) -> None:
    model = EGAN((2, side, side), network=network, latent_dim=5, generator_channels=2, discriminator_channels=2)
    images = model(torch.randn(2, 5))
    assert images.shape == (2, 2, side, side)
    assert model.discriminate(images).shape == (2,)
    leaky = any(isinstance(module, nn.LeakyReLU) for module in model.generator.modules())
    assert leaky == (side == 128 and network == "theano")


def test_the_toys_perceptrons_have_any_shape_and_no_bound() -> None:
    model = EGAN((1, 1, 2), network="mlp", latent_dim=2, mu=2)
    assert model.latent_distribution == "uniform"
    for network in (model.generator, *model.waiting, model.discriminator):
        kinds = [type(layer) for layer in network.layers]
        assert kinds == [nn.Linear, nn.ReLU] * 3 + [nn.Linear]
        assert [layer.out_features for layer in network.layers[:-1:2]] == [512] * 3
    images = model(1000 * torch.randn(4, 2))
    assert images.shape == (4, 1, 1, 2)
    assert images.abs().max() > 1
    assert model.discriminate(images).shape == (4,)


def test_defaults_are_the_codes() -> None:
    model = EGAN()
    assert (model.image_shape, model.latent_dim, model.latent_distribution) == ((3, 32, 32), 100, "uniform")
    assert (model.lr, model.betas, model.d_steps, model.mu, model.gamma) == (2e-4, (0.5, 0.999), 3, 1, 0.004)
    assert (model.penalty_weight, model.ema_decay, model.turn_order[0]) == (0.0, None, "generator")
    assert EGAN(network="pytorch").latent_distribution == "normal"
    assert egan.EGAN is EGAN


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"^mu=0; allowed: 1 or more$"):
        EGAN(mu=0)
    with pytest.raises(ValueError, match=r"^gamma=-0\.1; allowed: 0 or more$"):
        EGAN(gamma=-0.1)
    with pytest.raises(ValueError, match=r"^gamma=nan; allowed: 0 or more$"):
        EGAN(gamma=math.nan)
    with pytest.raises(ValueError, match=r"^penalty_weight=-1\.0; allowed: 0 or more$"):
        EGAN(penalty_weight=-1.0)
    with pytest.raises(ValueError, match=r"^network 'lasagne'; allowed: theano, pytorch, mlp$"):
        EGAN(network="lasagne")
    with pytest.raises(ValueError, match=r"^images of 28x28; allowed: square"):
        EGAN((1, 28, 28))
    with pytest.raises(ValueError, match=r"^share_fakes=True; allowed: only with one turn of each player"):
        fit(small(d_steps=1, share_fakes=True), 1)
