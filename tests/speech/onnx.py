"""A stand-in for onnxruntime, which runs a function in place of a network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

Run = Callable[[Mapping[str, Any]], list[Any]]


class Options:
    """What a session, or a run of it, is told."""

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}
        self.terminate = False
        self.models: list[str | bytes] = []

    def add_session_config_entry(self, name: str, value: str) -> None:
        self.entries[name] = value


def pretend(monkeypatch: pytest.MonkeyPatch, run: Run, inputs: Sequence[str] = ()) -> list[Options]:
    """Let *run* be every network; return the options of the sessions that are opened."""
    opened: list[Options] = []

    class Session:
        def __init__(self, model: str | bytes, options: Options, *, providers: list[str]) -> None:
            options.models.append(model)
            opened.append(options)

        def get_inputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name=name) for name in inputs]

        def run(self, names: None, inputs: Mapping[str, Any], mark: object = None) -> list[Any]:
            return run(inputs)

    module = ModuleType("onnxruntime")
    vars(module).update(SessionOptions=Options, RunOptions=Options, InferenceSession=Session)
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return opened
