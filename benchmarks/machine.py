"""The machine that a benchmark runs on."""

from __future__ import annotations

import platform
from pathlib import Path


def cpu_name() -> str:
    """Of its first processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
