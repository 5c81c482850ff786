"""Why a value is refused, in the course's words instead of pydantic's."""

import codecs
from collections.abc import Mapping

import regex

from helpers.common.names import cut
from helpers.common.report import cell

LONGEST = 100  # characters that are shown of a value

WHOLE = "it must be a valid integer, that is, a whole number"
# By pydantic's name of the error; in braces what the limit is. They follow "… is not possible: ".
WORDS = {
    "string_type": "it must be a text",
    "string_unicode": "half a character is in it, which is no text",
    "string_too_short": "it must not be empty",
    "bool_type": "it must be True or False",
    "bool_parsing": "it must be True or False",
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_from_float": WHOLE,
    "int_parsing_size": "no number may have so many digits",
    "finite_number": "it must be a number that is finite",
    "float_type": "it must be a number",
    "float_parsing": "it must be a number",
    "greater_than": "it must be greater than {gt}",
    "greater_than_equal": "it must be greater than or equal to {ge}",
    "less_than": "it must be less than {lt}",
    "less_than_equal": "it must be less than or equal to {le}",
    "literal_error": "it must be {expected}",
    "tuple_type": "it must be a text or a list of texts",
    "too_short": "it must not be empty",
}
OTHERS = "it is of another kind than its default"


def why(error: Mapping) -> str:
    """One of a ValidationError's errors as the end of a sentence, without its point."""
    context = error.get("ctx", {})
    if error["type"] == "value_error":  # of our own validators
        return str(context["error"])
    return WORDS.get(error["type"], OTHERS).format(
        **{name: cell(limit) for name, limit in context.items()}
    )


def what(error: Mapping) -> str:
    """Which value it is, and of what kind: ``stages.split is 1``; or that there is none."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    name = ".".join(map(str, error["loc"])) or "it"
    is_there = not error["type"].startswith("missing")
    return f"{name} is {shown(error['input'])}" if is_there else f"{name} is missing"


def shown(value: object) -> str:
    """A value as Python writes it, the beginning of a long one."""
    try:
        return cut(repr(value), LONGEST)
    except ValueError:  # Python writes no number with thousands of digits
        return "a number of thousands of digits"


def known_encoding(name: str) -> str:
    """The name of an encoding of texts; also ``auto``, which is to be found out.

    Raises:
        ValueError: Python knows none.
    """
    try:
        known = name == "auto" or codecs.lookup(name)._is_text_encoding
        b"a\xff".decode("utf-8" if name == "auto" else name, "replace")  # idna cannot
    except (LookupError, UnicodeError):
        known = False
    if not known:
        raise ValueError("Python knows no such encoding; Chinese files are often gb18030")
    return name


def pattern_of_lines(pattern: str) -> str:
    """A regular expression that fits some lines; or nothing.

    Raises:
        ValueError: it is none, or fits what has no text.
    """
    try:
        found = regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"it is no regular expression ({error})") from None
    if pattern and found.fullmatch("", timeout=1):
        raise ValueError("it fits an empty line, too, and so it may fit every line")
    return pattern
