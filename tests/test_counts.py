"""Every row of the table of parameter counts, on the meta device."""

from typing import Any

import pytest
import torch

from lightning_gans.registry import import_model, list_models
from tests.counts import COUNTS


@pytest.mark.parametrize(("name", "arguments", "generator", "discriminator"), COUNTS)
def test_parameter_counts(name: str, arguments: dict[str, Any], generator: int, discriminator: int) -> None:
    with torch.device("meta"):
        model = import_model(name)(**arguments)
    counts = [sum(p.numel() for p in network.parameters() if p.requires_grad) for network in model.players.values()]
    assert counts == [generator, discriminator]


def test_every_model_has_a_row() -> None:
    assert {row[0] for row in COUNTS} == set(list_models())
