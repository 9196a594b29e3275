"""The house: a file imports only from entries above its own, every file says what it exports, importing stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lightning_gans

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lightning_gans"
ORDER = [
    "registry",
    "batch",
    "losses",
    "penalties",
    "schedules",
    "layers",
    "augment",
    "networks",
    "weights",
    "core",
    "models",
    "metrics",
    "callbacks",
    "analysis",
    "interop",
    "recipes",
    "cli",
    "__main__",
]
FILES = sorted(path for folder in (PACKAGE, ROOT / "datamodules") for path in folder.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def entry(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", [p for p in FILES if PACKAGE in p.parents], ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_up(path: Path) -> None:
    mine = entry(path)
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "datamodules":
            assert mine == "cli", f"{path} imports {name}: only the command line knows the data"
        if parts[0] != "lightning_gans" or len(parts) < 2 or mine in ("__init__", "cli"):
            continue
        if parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= ORDER.index(mine), f"{path} imports {name}, which stands below it"
        if mine == "models":
            assert parts[1] != "models", f"{path}: models never import models"


@pytest.mark.parametrize("path", sorted((ROOT / "datamodules").rglob("*.py")), ids=lambda p: p.name)
def test_data_modules_know_only_batches(path: Path) -> None:
    ours = [name for name in imported(path) if name.startswith("lightning_gans")]
    assert all(name.startswith("lightning_gans.batch") for name in ours)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_says_what_it_is_and_exports(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    assigned = {
        t.id for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)
    }
    if path.name not in ("__init__.py", "__main__.py"):
        assert "__all__" in assigned


def test_models_cite_their_paper() -> None:
    for name in lightning_gans.list_models():
        docstring = ast.get_docstring(ast.parse((PACKAGE / "models" / f"{name}.py").read_text())) or ""
        assert "arXiv:" in docstring, name
        assert (PACKAGE / "recipes" / f"{name}.yaml").is_file(), name
        assert (ROOT / "tests" / "models" / f"test_{name}.py").is_file(), name


def test_type_checkers_see_every_model() -> None:
    text = (PACKAGE / "__init__.py").read_text()
    for name in lightning_gans.list_models():
        cls = lightning_gans.registry.import_model(name).__name__
        assert f"    from lightning_gans.models.{name} import {cls} as {cls}\n" in text


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, time; start = time.process_time(); import lightning_gans, lightning_gans.cli; lightning_gans.list_models();"
        "print(time.process_time() - start, 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    ]
    assert {run.split()[1] for run in runs} == {"False"}
    assert min(float(run.split()[0]) for run in runs) < 0.3


def test_names_resolve_on_demand() -> None:
    from lightning_gans import DCGAN

    assert DCGAN.__module__ == "lightning_gans.models.dcgan"
    with pytest.raises(AttributeError, match=r"^module 'lightning_gans' has no attribute 'Dcgan'$"):
        _ = lightning_gans.Dcgan
