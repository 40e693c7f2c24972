"""The openai package's own types of realtime events, and examples of each."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from openai.types import realtime as ga
from openai.types.beta import realtime as beta
from pydantic import BaseModel, TypeAdapter


def models(union: object) -> dict[str, type[BaseModel]]:
    """Return the members of a union of events, by the name on the wire."""
    members = get_args(get_args(union)[0])
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in members}


GA_CLIENT = models(ga.RealtimeClientEvent)
GA_SERVER = models(ga.RealtimeServerEvent)
BETA_CLIENT = models(beta.RealtimeClientEvent)
BETA_SERVER = models(beta.RealtimeServerEvent)


def examples(model: type[BaseModel]) -> Iterator[dict[str, Any]]:
    """Yield objects with every field of *model*, until each alternative has been in one."""
    choices = {name: list(values(field.annotation)) for name, field in model.model_fields.items()}
    for turn in range(max(map(len, choices.values()))):
        yield {name: options[turn % len(options)] for name, options in choices.items()}


def values(kind: Any) -> Iterator[Any]:
    """Yield an example of each alternative of an annotation, but not None."""
    if get_origin(kind) in (Union, UnionType):
        for option in get_args(kind):
            yield from values(option)
    elif get_origin(kind) is Annotated:
        yield from values(get_args(kind)[0])
    elif get_origin(kind) is Literal:
        yield from get_args(kind)
    elif get_origin(kind) is list:
        yield list(values(get_args(kind)[0]))
    elif get_origin(kind) is dict:
        yield {"key": next(values(get_args(kind)[1]))}
    elif inspect.isclass(kind) and issubclass(kind, BaseModel):
        yield from examples(kind)
    elif kind is not type(None):
        yield {str: "text", int: 7, float: 0.5, bool: False, object: {"any": ["thing"]}}[kind]


def refuse(model: type[BaseModel], body: object) -> str:
    """Return what is wrong with *body* for the openai package; empty if nothing is."""
    adapter: TypeAdapter[BaseModel] = TypeAdapter(model)
    read = adapter.validate_python(body, strict=False)
    return " ".join(strange(read, ""))


def strange(read: object, path: str) -> Iterator[str]:
    """Yield the path of each field that the package's types do not know."""
    if isinstance(read, BaseModel):
        yield from (f"{path}.{name}" for name in read.model_extra or ())
        for name in type(read).model_fields:
            yield from strange(getattr(read, name), f"{path}.{name}")
    elif isinstance(read, list):
        for number, item in enumerate(read):
            yield from strange(item, f"{path}[{number}]")
