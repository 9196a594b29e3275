"""The images: what their files say agrees with the README and the package; no Docker is needed (nor used) here."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
DOCKERFILES = ["Dockerfile", "Dockerfile.cpu"]


def instructions(name: str) -> list[tuple[str, str]]:
    """(keyword, arguments) of a Dockerfile, continued lines joined, comments left out, `ARG` defaults filled in."""
    lines = [line for line in (DOCKER / name).read_text().splitlines() if line.strip() and not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    for key, value in defaults.items():
        text = text.replace("${" + key + "}", value)
    found = [line.split(None, 1) for line in text.splitlines()]
    return [(keyword, arguments) for keyword, arguments in found]


def arguments(name: str, keyword: str) -> list[str]:
    return [given for found, given in instructions(name) if found == keyword]


def readme_command() -> str:
    (command,) = set(re.findall(r'pip install -e "[^"]+"', (ROOT / "README.md").read_text()))
    return command


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_base_has_a_tag_that_stays(name: str) -> None:
    (base,) = arguments(name, "FROM")
    assert re.fullmatch(r"[\w/]+:\d+\.\d+[\w.-]*", base)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_readme_s_command_installs(name: str) -> None:
    installs = [run for run in arguments(name, "RUN") if readme_command() in run]
    assert len(installs) == 1
    assert re.fullmatch(re.escape(readme_command()) + r"( -c \S+)?", installs[0])


def test_the_extras_exist() -> None:
    table = (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = re.findall(r"^(\w+) = \[", table, re.MULTILINE)
    (asked,) = re.findall(r"\[(.*)\]", readme_command())
    assert set(asked.split(",")) <= set(extras)


def test_the_image_s_torch_is_held() -> None:
    runs = arguments("Dockerfile", "RUN")
    held = next(i for i, run in enumerate(runs) if "> /constraints.txt" in run)
    installed = next(i for i, run in enumerate(runs) if run.endswith("-c /constraints.txt"))
    assert held < installed
    (pattern,) = re.findall(r"grep -E '(.*?)'", runs[held])
    listed = ["torch==2.13.0+cu126", "torchvision==0.28.0+cu126", "torchmetrics==1.9.0", "pytorch-lightning==2.6.6"]
    assert [line for line in listed if re.match(pattern, line)] == listed[:2]


def test_the_cpu_s_torch_comes_first_and_from_its_own_index() -> None:
    runs = arguments("Dockerfile.cpu", "RUN")
    assert runs[0] == "pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu"
    assert runs[1] == readme_command()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_it_runs_as_nobody_special_among_its_volumes(name: str) -> None:
    keywords = [keyword for keyword, _ in instructions(name)]
    assert arguments(name, "USER") == ["10001"]
    assert "RUN" not in keywords[keywords.index("USER") :]
    assert any("useradd --uid 10001 " in run for run in arguments(name, "RUN"))
    assert arguments(name, "VOLUME") == ['["/data", "/workspace"]']
    assert arguments(name, "WORKDIR")[-1] == "/workspace"
    assert "LIGHTNING_GANS_DATA=/data" in " ".join(arguments(name, "ENV")).split()
    assert 'environ.get("LIGHTNING_GANS_DATA")' in (ROOT / "datamodules" / "base.py").read_text()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_both_end_alike(name: str) -> None:
    last = [arguments(name, keyword) for keyword in ("ENTRYPOINT", "CMD")]
    assert last == [['["sh", "/lightning-gans/docker/entrypoint.sh"]'], ['["--list"]']]
    assert arguments(name, "WORKDIR")[0] == "/lightning-gans"
    assert arguments(name, "COPY") == [". ."]


@pytest.mark.parametrize(
    ("given", "run"),
    [
        (["--list"], "lightning-gans train --list"),
        (["--model", "dcgan"], "lightning-gans train --model dcgan"),
        (["lightning-gans", "generate", "a b.ckpt"], "lightning-gans generate a b.ckpt"),
        (["echo", "--model"], "--model"),
    ],
)
def test_options_alone_train(tmp_path: Path, given: list[str], run: str) -> None:
    command = tmp_path / "lightning-gans"
    command.write_text('#!/bin/sh\necho lightning-gans "$@"\n')
    command.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", str(DOCKER / "entrypoint.sh"), *given],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == run


def test_what_the_build_needs_is_not_ignored() -> None:
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    needed = ["pyproject.toml", "README.md", "LICENSE", "train.py", "docker/entrypoint.sh"]
    sources = [*ROOT.glob("lightning_gans/**/*"), *ROOT.glob("datamodules/**/*"), *ROOT.glob("tests/**/*")]
    needed += [str(p.relative_to(ROOT)) for p in sources if p.is_file() and "__pycache__" not in p.parts]
    for path in needed:
        assert (ROOT / path).is_file()
        parents = [path, *(str(parent) for parent in Path(path).parents)]
        for pattern in patterns:
            # fnmatch's star also crosses folders, so it ignores rather more than Docker does.
            hit = [p for p in parents if fnmatch.fnmatch(p, pattern) or fnmatch.fnmatch(f"/{p}", pattern[2:])]
            assert not hit or not hit[0], f"{pattern} ignores {path}"


def test_the_page_names_the_files() -> None:
    page = (DOCKER / "README.md").read_text()
    for name in DOCKERFILES:
        assert f"docker build -f docker/{name} " in page
    base = arguments("Dockerfile", "FROM")[0]
    assert base.replace("-runtime", "-devel") in page
