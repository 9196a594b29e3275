"""Shared set-up of all tests."""

import pytest

pytest.register_assert_rewrite("tests.contract", "tests.training", "tests.digits")
