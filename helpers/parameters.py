"""What can be set in the notebooks, for people who run them in batch and for programs."""

import dataclasses
import json
import textwrap
import typing
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic.fields import FieldInfo

from helpers.stages.road import NOTEBOOKS
from helpers.workflow.parameters import bounds, limits, literal

WIDTH = 96


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter of a notebook.

    Attributes:
        kind: what a value is, in words.
        limits: of a number, by ``ge``, ``gt``, ``le`` and ``lt``: at least, above, at most, below;
            and in words, without those that nobody meets.
    """

    notebook: str
    name: str
    kind: str
    default: object
    limits: dict[str, float]
    description: str
    limits_in_words: str = ""

    def __str__(self) -> str:
        told = (self.kind, self.limits_in_words, f"default {literal(self.default)}")
        text = textwrap.fill(
            self.description, WIDTH, initial_indent="    ", subsequent_indent="    "
        )
        return f"  {self.name}: {'; '.join(filter(None, told))}\n{text}"


def parameters(notebooks: Sequence[str]) -> Iterator[Parameter]:
    """The parameters of some notebooks, in the order of the road."""
    for notebook in notebooks:
        seen: set[str] = set()  # two stages of a notebook may share one
        for model in NOTEBOOKS[notebook]:
            for name, info in model.model_fields.items():
                if name not in seen:
                    seen.add(name)
                    what = (kind(info), info.default, bounds(info), info.description, limits(info))
                    yield Parameter(notebook, name, *what)


def kind(info: FieldInfo) -> str:
    """What a value is, in words.

    >>> from helpers.workflow.settings import SplitSettings
    >>> [kind(SplitSettings.model_fields[name]) for name in ("seed", "errors", "txt_files")]
    ['whole number', 'strict, replace or skip', 'list of texts']
    """
    origin, within = typing.get_origin(info.annotation), typing.get_args(info.annotation)
    if origin is Literal:
        return f"{', '.join(map(str, within[:-1]))} or {within[-1]}"
    if origin is tuple:
        return "list of texts"
    names = {bool: "True or False", int: "whole number", float: "number", str: "text"}
    return " or ".join(names.get(each, str(None)) for each in within or (info.annotation,))


def as_text(found: Sequence[Parameter]) -> str:
    """All parameters, below the name of their notebook.

    >>> print(as_text([*parameters(["02_bpe"])]).splitlines()[0])
    02_bpe
    """
    lines: list[str] = []
    for one in found:
        if one.notebook not in lines:
            lines += ["", one.notebook] if lines else [one.notebook]
        lines.append(str(one))
    return "\n".join(lines)


def as_json(found: Sequence[Parameter]) -> str:
    """A list of objects with the fields of :class:`Parameter`, but for its words."""
    objects = [dataclasses.asdict(one) for one in found]
    for one in objects:
        del one["limits_in_words"]
    return json.dumps(objects, indent=1, ensure_ascii=False)
