"""The first pass over the flags of ``train``: model, data and configuration files, found without importing torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from lightning_gans.cli.errors import UsageError
from lightning_gans.cli.names import check_data, check_model, is_path
from lightning_gans.cli.recipes import Source, choose_recipe, fit_to, is_special, read_config
from lightning_gans.registry import list_models

__all__ = ["Request", "read_request"]

VALUED = {"--model": "model", "--data": "data", "--config": "config", "-c": "config"}


@dataclass
class Request:
    """What to train on what.

    Attributes:
        model: the model's name.
        data: the data's name.
        sources: configurations that apply, weakest first; each already fitted to this model and data.
        flags: what is left of the command line for the parser of options.
    """

    model: str
    data: str
    sources: list[Source] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def read_request(arguments: list[str]) -> Request:
    """Find the model, the data and the configurations of a run.

    Raises:
        UsageError: no model or data is named, a name is unknown, or a configuration file cannot be read.
    """
    taken, flags = _take(arguments)
    configs = [read_config(path) for path in taken["config"]]
    model = _last(taken["model"], [config.model_name for config in configs])
    if model is None:
        raise UsageError(f"which model? --model M. Choose from: {', '.join(list_models())}")
    check_model(model)
    data = _last(taken["data"], [config.data_name for config in configs])
    if data is not None and is_path(data):
        flags = ["--data.root", data, *flags]
        data = "image_folder"
    recipe = choose_recipe(model, data)
    if recipe is not None and (data is None or is_special(recipe, model, data)):
        data = recipe.data_name or data  # a recipe may name a protocol on a folder, such as imagenet128
    if data is None:
        raise UsageError(f"model '{model}' has no recipe that names its data; name it: --data D")
    check_data(data)
    sources = [Source(s.name, fit_to(s, model, data)) for s in ([recipe] if recipe else []) + configs]
    return Request(model, data, sources, flags)


def _take(arguments: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Take the flags of the first pass (``--flag value`` or ``--flag=value``) out of the command line."""
    taken: dict[str, list[str]] = {name: [] for name in VALUED.values()}
    rest: list[str] = []
    queue = iter(arguments)
    for argument in queue:
        flag, equals, value = argument.partition("=")
        if flag not in VALUED:
            rest.append(argument)
            continue
        if not equals:
            value = next(queue, "")
        if not value or (not equals and value.startswith("--")):
            raise UsageError(f"{flag} needs a value")
        taken[VALUED[flag]].append(value)
    return taken, rest


def _last(flags: list[str], configs: list[str | None]) -> str | None:
    """The name that counts: the last flag, else the last configuration that has one."""
    if flags:
        return flags[-1]
    named = [name for name in configs if name is not None]
    return named[-1] if named else None
