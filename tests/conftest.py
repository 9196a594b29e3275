"""Shared set-up of all tests."""

import pytest
import torch

pytest.register_assert_rewrite("tests.contract", "tests.training", "tests.digits")

# Tiny networks gain nothing from a second thread, and on busy cores two wait for each other.
torch.set_num_threads(1)
