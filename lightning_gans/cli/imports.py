"""Importing torch and Lightning, which is most of the time until a command answers."""

from __future__ import annotations

import atexit
import gc
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["quick_imports"]


@contextmanager
def quick_imports(for_help: bool = False) -> Iterator[None]:
    """No garbage collection meanwhile: it takes a fifth of the time and finds hardly any garbage among modules.

    Args:
        for_help: the process was started to show options and ends after it, so what is imported but takes no part is stood in
            for: torchmetrics (scipy.signal and every model of torchvision) and torch's compiler, three of six seconds.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    stand_ins = _StandIns("torchmetrics", "torch._dynamo")
    if for_help:
        sys.meta_path.insert(0, stand_ins)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what was imported stays: no collection need look at it ...
        atexit.register(gc.unfreeze)  # ... until the end, when libraries count what they leaked
        gc.enable()
        if for_help:
            stand_ins.leave()


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds packages' modules as empty ones in which every name is a class that does nothing."""

    def __init__(self, *packages: str) -> None:
        self.packages = packages

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not any(f"{fullname}.".startswith(f"{package}.") for package in self.packages):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass

    def leave(self) -> None:
        """Whoever imports the packages from now on gets the real ones."""
        sys.meta_path.remove(self)
        for name in [name for name, module in sys.modules.items() if isinstance(module, _StandIn)]:
            del sys.modules[name]


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Nothing,), {})


class _Nothing:
    """Base class, or decorator with or without arguments."""

    def __new__(cls, *arguments: Any, **_: Any) -> Any:
        return arguments[0] if arguments and callable(arguments[0]) else lambda decorated: decorated
