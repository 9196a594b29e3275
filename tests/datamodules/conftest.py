"""What tests of data share."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__: list[str] = []


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of caches of decoded images, each test's own; not made yet."""
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/images"
