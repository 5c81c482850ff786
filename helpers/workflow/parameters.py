"""What a person can set: the base of all settings, and how their errors are explained.

A parameter is described once, as a field of a pydantic model in ``settings`` or
``training_settings``. The command line, the check of batch parameters, the tables and the panels
in the notebooks are made from there.
"""

import ast
import contextlib
import dataclasses
import difflib
import glob
import html
import json
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from helpers.common.errors import CourseError
from helpers.common.files import expanded, possible, seen
from helpers.common.names import spelled
from helpers.common.report import Shown, cell
from helpers.workflow.refusals import shown, why

# What ast raises for a text that is no Python, or no plain value, or too deep: thousands of signs
# before a number, or of brackets.
NO_LITERAL = (SyntaxError, ValueError, TypeError, RecursionError, MemoryError)


def as_list(value: object) -> object:
    """One text as a list; and a list that was written into a text, as a shell hands it over.

    >>> as_list("a.txt"), as_list("['a.txt', 'b.txt']"), as_list("[ab]*.txt")
    (['a.txt'], ['a.txt', 'b.txt'], ['[ab]*.txt'])
    """
    one = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    if not isinstance(one, str):
        return value
    written = _written(one)
    return [one] if written is None else written


def _written(text: str) -> list | None:
    """The list that a text is as Python or JSON writes it; None where it is none."""
    with contextlib.suppress(*NO_LITERAL):
        value = ast.literal_eval(text)
        of_texts = isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
        if of_texts or (isinstance(value, (list, tuple)) and value[1:]):  # "[1]" is a pattern
            return [*value]
    return None


BEYOND = 10**9  # limits that nobody meets are not told
Strings = Annotated[tuple[str, ...], BeforeValidator(as_list)]


def _none_empty(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(name.strip() for name in names):
        raise ValueError("a name in it is empty")
    return names


FileNames = Annotated[Strings, AfterValidator(_none_empty)]


def _device(name: str) -> str:
    """
    >>> _device(" CUDA:1")
    'cuda:1'
    """
    name = name.strip().lower()
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", name, re.ASCII):
        raise ValueError("it must be auto, cpu, cuda, or cuda:1 for the second GPU")
    return name


Device = Annotated[
    str,
    AfterValidator(_device),
    Field(
        description="What models are computed on: 'cpu', the processor; 'cuda', the first GPU, or "
        "'cuda:1', the second; 'auto': the first GPU, if there is one.",
    ),
]


class WrongSettings(CourseError):
    """Values that are not possible.

    Attributes:
        problems: what is wrong, by field; the name is empty where several do not go together.
    """

    def __init__(self, message: str, hint: str, problems: dict[str, str]) -> None:
        super().__init__(message, hint)
        self.problems = problems


@dataclasses.dataclass(frozen=True, kw_only=True)
class About:
    """What the command line and the panels know of a setting beside its type and its range.

    It stands in the field's type: ``lr: Annotated[float, About(log_scale=True)] = Field(…)``.

    Attributes:
        path: whether its values name files that are read, or one that is made; a shell resolves
            these names from where it stands.
        words: values of such a setting that are no files, each with what it is and needs.
        kinds: the kinds of files that it can name, each with what it needs.
        upload: the folder of the workspace that files sent from the browser are put into.
        flag: a shorter name on the command line.
        log_scale: one value is ten times another, rather than a tenth more.
    """

    path: Literal["", "read", "made"] = ""
    words: Mapping[str, str] = dataclasses.field(default_factory=dict)
    kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)
    upload: str = ""
    flag: str = ""
    log_scale: bool = False

    @classmethod
    def of(cls, info: FieldInfo) -> Self:
        """What stands in the type of a field; all of it empty where nothing does."""
        return next((each for each in info.metadata if isinstance(each, cls)), cls())


class Settings(Shown, BaseModel):
    """Base of all settings: immutable, unknown names refused, errors in two sentences.

    Raises:
        CourseError: a name that does not exist (with the nearest one).
        WrongSettings: values out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    # Settings that change how fast the work is done, never what comes out.
    SPEED: ClassVar[frozenset[str]] = frozenset({"workers", "engine", "device"})
    # Fields by heading, in the order of a panel; empty: all of them without one.
    GROUPS: ClassVar[dict[str, tuple[str, ...]]] = {}
    # Shares that add up to 1: a panel moves the others along with one of them.
    SHARES: ClassVar[tuple[str, ...]] = ()

    def __init__(self, /, **values: object) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise self._explain(error) from None

    @classmethod
    def of(cls, variables: Mapping[str, object]) -> Self:
        """The settings that a notebook's variables give: ``SplitSettings.of(globals())``.

        Args:
            variables: by name, one for each field; all others are left alone.

        Raises:
            CourseError: a field has no variable, since a default in its place would go unnoticed.
            WrongSettings: values out of range.
        """
        if missing := [name for name in cls.model_fields if name not in variables]:
            defaults = (f"{name} = {literal(cls.model_fields[name].default)}" for name in missing)
            raise CourseError(
                f"The notebook gives no value for {', '.join(missing)}.",
                f"Add to its cell parameters, which lists every one: {'; '.join(defaults)}.",
            )
        return cls(**{name: variables[name] for name in cls.model_fields})

    def _explain(self, error: ValidationError) -> CourseError:
        fields = type(self).model_fields
        problems: dict[str, str] = {}
        for each in error.errors():
            name = str(each["loc"][0]) if each["loc"] else ""
            if each["type"] == "extra_forbidden":
                return unknown_name(name, fields)
            problems.setdefault(name, why(each))
        name, what = next(iter(problems.items()))
        if not name:
            return WrongSettings(what, "Change one of them and run this step again.", problems)
        return WrongSettings(
            f"{name} = {shown(error.errors()[0]['input'])} is not possible: {what}.",
            f"{name}: {fields[name].description} The default is {fields[name].default!r}.",
            problems,
        )

    @classmethod
    def groups(cls) -> dict[str, tuple[str, ...]]:
        """The fields by heading; the heading is empty where there are no groups."""
        return cls.GROUPS or {"": tuple(cls.model_fields)}

    def of_the_result(self) -> dict:
        """The settings that the result depends on, as plain JSON values."""
        return self.model_dump(mode="json", exclude=set(self.SPEED))

    def _repr_html_(self) -> str:
        fields = type(self).model_fields
        rows = ""
        for heading, names in self.groups().items():
            if heading:
                rows += f"<tr><th colspan='3' style='text-align:left'>{heading}</th></tr>"
            rows += "".join(
                f"<tr><td style='text-align:left'><code>{name}</code></td>"
                f"<td style='text-align:left'>{html.escape(cell(getattr(self, name)))}</td>"
                f"<td style='text-align:left'>{html.escape(explanation(fields[name]))}</td></tr>"
                for name in names
            )
        head = "".join(f"<th style='text-align:left'>{h}</th>" for h in ("setting", "value", ""))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def __str__(self) -> str:
        return "\n".join(f"{name} = {value!r}" for name, value in self)


def bounds(info: FieldInfo) -> dict[str, float]:
    """The limits of a number: ``ge``, ``gt``, ``le``, ``lt``, those that it has."""
    names = ("ge", "gt", "le", "lt")
    return {n: getattr(m, n) for m in info.metadata for n in names if hasattr(m, n)}


def explanation(info: FieldInfo) -> str:
    """A field's description with its range and its default.

    >>> from helpers.workflow.settings import EvaluateSettings
    >>> explanation(EvaluateSettings.model_fields["mask_share"])
    'Share of tokens that are hidden. Above 0, below 1; default 0.15.'
    """
    default = "empty" if info.default in ("", ()) else literal(info.default)
    said = f"{limits(info)}; default {default}." if limits(info) else f"default {default}."
    return f"{info.description} {said[0].upper()}{said[1:]}"


def limits(info: FieldInfo) -> str:
    """The limits of a number in words; those that nobody meets are left out.

    >>> from helpers.workflow.settings import EvaluateSettings
    >>> limits(EvaluateSettings.model_fields["mask_share"])
    'above 0, below 1'
    """
    words = {"ge": "from", "gt": "above", "le": "up to", "lt": "below"}
    told = {name: limit for name, limit in bounds(info).items() if limit < BEYOND}
    return ", ".join(f"{words[name]} {cell(limit)}" for name, limit in told.items())


def literal(value: object) -> str:
    """A value as one writes it into a notebook's ``parameters`` cell.

    >>> print(literal(("a", "b")), literal("gb18030"), literal(None), literal(0.001))
    ["a", "b"] "gb18030" None 0.001
    """
    if isinstance(value, str):
        quoted = json.dumps(value, ensure_ascii=False)
        return quoted.encode("utf-8", "backslashreplace").decode()  # half an emoji's pair
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(literal, value))}]"
    return repr(value)


def unknown_name(name: str, known: object) -> CourseError:
    """The error for a parameter that does not exist, with the nearest name that does."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
    return CourseError(f"There is no parameter {name}.", hint)


def from_here(model: type[Settings], field: str, value: object) -> object:
    """A value that was typed in a shell: names of files that are there become absolute.

    A relative name that leads nowhere stays as it is; the workspace is asked for it then.

    Raises:
        CourseError: no file can have such a name.
    """
    about = About.of(model.model_fields[field])
    if typing.get_origin(model.model_fields[field].annotation) is tuple:
        value = as_list(value)
    if isinstance(value, (list, tuple)):
        return [_one_from_here(about, one) for one in value]
    return _one_from_here(about, value)


def _one_from_here(about: About, value: object) -> object:
    if not about.path or not isinstance(value, str) or value in ("", *about.words):
        return value
    here = possible(Path.cwd() / expanded(value))
    pattern = glob.iglob(str(expanded(value)), root_dir=Path.cwd(), recursive=True)  # noqa: PTH207
    found = seen(Path.exists, here) or about.path == "made" or any(pattern)
    return spelled(str(here) if found else value)
