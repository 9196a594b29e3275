from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_gans.core.finite import Diverged, nonfinite, nonfinite_terms

NAN, INF = float("nan"), float("inf")


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2).double())


def test_a_finite_module_has_no_names() -> None:
    assert nonfinite(network()) == []


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("name", ["0.weight", "1.running_var", "2.bias"])
def test_one_bad_element_is_named(name: str, value: float) -> None:
    module = network()
    module.state_dict()[name].flatten()[-1] = value
    assert nonfinite(module) == [name]


def test_integers_and_empty_tensors_do_not_count() -> None:
    module = nn.Module()
    module.register_buffer("empty", torch.zeros(0))
    module.register_buffer("count", torch.tensor(3))
    assert nonfinite(module) == []


def test_a_module_without_tensors() -> None:
    assert nonfinite(nn.ReLU()) == []


def test_terms() -> None:
    terms = {"a": torch.tensor(1.0), "b": torch.tensor(NAN), "c": torch.tensor(INF, dtype=torch.float16)}
    assert nonfinite_terms(terms) == ["b", "c"]
    assert nonfinite_terms({}) == []


def test_an_infinite_gradient_norm_is_the_scalers_business() -> None:
    assert nonfinite_terms({"generator/grad_norm": torch.tensor(INF)}) == []


def test_message() -> None:
    advice = (
        "; the last good checkpoint is kept; try a lower learning rate (--model.lr), gradient clipping "
        "(--model.discriminator_clip 1) or --trainer.precision 32-true"
    )
    assert str(Diverged.at(7, ["a", "b"])) == "diverged: not finite at iteration 7: a, b" + advice
    many = str(Diverged.at(7, list("abcde")))
    assert many == "diverged: not finite at iteration 7: a, b, c and 2 more" + advice
