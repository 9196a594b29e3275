"""Shared set-up of all tests."""

from collections.abc import Iterator

import pytest
import torch

pytest.register_assert_rewrite("tests.contract", "tests.training", "tests.digits")

# Tiny networks gain nothing from a second thread, and on busy cores two wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of a test stays in the home of who runs it; processes that tests start inherit this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
