"""Weights & Biases, the real package, offline: what its own file of the run holds."""

from __future__ import annotations

import contextlib
import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import TINY, Call

wandb = pytest.importorskip("wandb")
from google.protobuf.message import DecodeError  # noqa: E402
from wandb.proto import wandb_internal_pb2  # noqa: E402

BLOCK, FULL, LAST = 32768, 1, 4
BASE = [
    "train",
    "--model",
    "dcgan",
    *TINY,
    "--data.size",
    "16",
    "--trainer.log_every_n_steps",
    "2",
    "--samples.every",
    "2",
]


def records(path: Path) -> list[Any]:
    """The records of a .wandb file: seven bytes, then LevelDB's log of 32 KiB blocks, which cuts what crosses a border."""
    data, at, whole, found = path.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:  # too short for another header: padding
            at += BLOCK - at % BLOCK
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (FULL, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            found.append(record)
            whole = b""
    return found


def finished(path: Path) -> list[Any]:
    """As `records`, once the last one is there: W&B's own process writes on after `finish` has returned."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        with contextlib.suppress(DecodeError):  # cut in the middle of a record
            found = records(path)
            if any(record.HasField("exit") for record in found):
                return found
        time.sleep(0.1)
    raise TimeoutError(f"no end of the run in {path}")


def read(path: Path) -> tuple[str, str, dict[str, Any], list[dict[str, Any]]]:
    """Id, project, configuration and history of a run's file."""
    identity, project, config, history = "", "", {}, []
    for record in finished(path):
        if record.HasField("run"):
            identity, project = record.run.run_id, record.run.project
        for update in [*record.run.config.update, *record.config.update]:
            config[update.key] = json.loads(update.value_json)
        if record.HasField("history"):
            items = record.history.item
            history.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return identity, project, config, history


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_DIR", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")  # Lightning sets it for good; this is taken back
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))


def test_config_numbers_and_pictures_reach_the_run_and_the_same_run_goes_on(call: Call, tmp_path: Path) -> None:
    flags = ["--logger", "csv,wandb", "--wandb.offline", "true", "--wandb.project", "house", "--wandb.tags", "[a,b]"]
    assert call(*BASE, *flags, "--wandb.id", "007", "--trainer.max_steps", "4").code == 0
    wandb.finish()
    run = tmp_path / "runs" / "dcgan-digits" / "1"
    (file,) = (run / "wandb").glob("offline-run-*/run-007.wandb")
    identity, project, config, history = read(file)
    assert (identity, project) == ("007", "house")
    assert (config["model_name"], config["lr"], config["generator_channels"]) == ("dcgan", 2e-4, 8)
    rows = [row for row in history if "generator/adversarial" in row]
    assert [row["trainer/global_step"] for row in rows] == [1, 3]
    assert all({"discriminator/real", "generator/grad_norm"} <= row.keys() for row in rows)
    shown = [row for row in history if any(key.startswith("samples") for key in row)]
    assert [row["trainer/global_step"] for row in shown] == [0, 2, 4]
    assert len(list(file.parent.glob("files/media/images/samples_*.png"))) == 3
    saved = yaml.safe_load((run / "config.yaml").read_text())
    assert saved["wandb"] == {"offline": True, "project": "house", "tags": ["a", "b"], "id": "007"}
    assert (run / "wandb" / "run_id.txt").read_text() == "007\n"

    # without its name: the id lies in the folder
    again = [*BASE, *flags, "--trainer.max_steps", "6", "--ckpt_path", "last"]
    assert call(*again).code == 0
    wandb.finish()
    both = sorted((run / "wandb").glob("offline-run-*/run-007.wandb"))
    assert len(both) == 2
    identity, project, _, history = read(both[1] if both[0] == file else both[0])
    assert (identity, project) == ("007", "house")
    assert [row["trainer/global_step"] for row in history if "generator/adversarial" in row] == [5]


def test_options_pass_through_to_wandb_and_lightning(tmp_path: Path) -> None:
    from lightning_gans.cli.loggers import check_loggers, make_loggers

    options = {
        "project": "house",
        "id": "abc",
        "resume": "must",
        "log_model": "all",
        "entity": "us",
        "mode": "disabled",
    }
    names = check_loggers("wandb", options)
    (logger,) = make_loggers(names, tmp_path, options, None)
    wandb.finish()
    assert logger._log_model == "all"
    kept = logger._wandb_init
    assert {key: kept[key] for key in ("project", "id", "resume", "entity", "mode")} == {
        key: options[key] for key in ("project", "id", "resume", "entity", "mode")
    }
    assert Path(kept["dir"]) == tmp_path
