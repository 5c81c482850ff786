"""``hf/README.md``: the model card that the Hub shows, in Markdown with a head of YAML."""

import re
from collections.abc import Iterator

from helpers.common.names import printable
from helpers.sharing.facts import Facts
from helpers.sharing.sections import Section, sections, shown, summary

NAME, CURVE = "README.md", "curve.png"
TAGS = ("roberta", "masked-lm", "fairseq")
_USE = """```python
from transformers import pipeline

fill_mask = pipeline("fill-mask", model="NAME")  # where this folder lies, or its name on the Hub
print(fill_mask("Words of its field, and a <mask> among them."))
```"""
_LICENCE = (
    "Not chosen yet. Whoever publishes this model chooses one that its texts and its base model "
    "allow, and writes it here and, as `license`, into the head of this file."
)
# What Markdown or HTML would read as a sign of its own.
_SIGNS = re.compile(r"[\\`*_{}\[\]<>#|~&$!]")


def card(facts: Facts, *, curve: bool) -> str:
    """The text of the card.

    Args:
        curve: whether the picture of the learning curve lies beside it.
    """
    from huggingface_hub import ModelCardData

    head = ModelCardData(
        library_name="transformers", pipeline_tag="fill-mask", tags=list(TAGS)
    ).to_yaml()
    parts = [f"---\n{head}\n---", f"# {plain(facts.name)}", summary(facts), _USE]
    for section in sections(facts, examples=False):
        parts += _markdown(section, facts, curve)
    return "\n\n".join([*parts, "## Licence", _LICENCE]) + "\n"


def _markdown(section: Section, facts: Facts, curve: bool) -> Iterator[str]:
    yield f"## {section.title}"
    yield from map(plain, section.sentences)
    if section.rows:
        rule = "|".join("---:" if numeric else "---" for numeric in section.numeric)
        rows = (section.head, *section.rows)
        head, *others = (f"| {' | '.join(plain(shown(value)) for value in row)} |" for row in rows)
        yield "\n".join([head, f"|{rule}|", *others])
    if section.curve and curve:
        yield f"![The loss in training and validation, in bits per hidden token]({CURVE})"


def plain(text: str) -> str:
    r"""A text that Markdown shows as it is, in one line.

    >>> print(plain("a <b>|c\nd"))
    a \<b\>\|c d
    """
    return _SIGNS.sub(r"\\\g<0>", " ".join(printable(text).split()))
