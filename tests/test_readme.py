"""What the README and the pages on scores and on few labels show runs, as it stands there, outside the checkout."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    block
    for page in (ROOT / "README.md", ROOT / "docs" / "evaluation.md", ROOT / "docs" / "semi_supervised.md")
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
]
# What a reader brings along, and a smaller number of steps.
PRELUDE = {
    'load("runs/dcgan': "from lightning_gans.cli import main\nmain('train --model dcgan --trainer.max_steps 1'.split())\n",
    'load("runs/sgan': "from lightning_gans.cli import main\nmain('train --model sgan --trainer.max_steps 1'.split())\n",
    "class MyData": "",
    "frechet_from_features": "",
    "my_batches": "import torch\nmy_batches = [torch.rand(4, 3, 32, 32) * 2 - 1] * 5\n",
}
SHORTER = {"max_steps=50_000": "max_steps=1", ', precision="bf16-mixed"': "", "(3, 64, 64)": "(3, 16, 16)"}


def example(mark: str) -> str:
    """The block that holds `mark`, made runnable."""
    (block,) = (block for block in BLOCKS if mark in block)
    for long, short in SHORTER.items():
        block = block.replace(long, short).replace("3, 64, 64)", "3, 16, 16)")
    return PRELUDE[mark] + block


def test_every_block_is_tested() -> None:
    assert [sum(mark in block for block in BLOCKS) for mark in PRELUDE] == [1] * len(PRELUDE)
    assert len(BLOCKS) == len(PRELUDE)


@pytest.mark.parametrize("mark", PRELUDE)
def test_blocks_run(mark: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", example(mark)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]


def test_links_lead_somewhere() -> None:
    local = [
        page.parent / link
        for page in PAGES
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text())
        if "://" not in link
    ]
    assert len(local) > 5
    assert [link for link in local if not link.exists()] == []


def test_names_in_its_tables_exist() -> None:
    from lightning_gans import list_models

    rows = re.findall(r"^\| `(\w+)` \| \[", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert len(rows) > 5
    assert [name for name in rows if name not in list_models()] == []
