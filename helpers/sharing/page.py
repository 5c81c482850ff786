"""``result.html``: what was done and what came of it, as one page that needs nothing else."""

import base64
import html
import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

from helpers.common.names import printable
from helpers.sharing.facts import Facts
from helpers.sharing.sections import Section, sections, shown, summary

NAME = "result.html"
_ALT = "The loss in training and validation, in bits per hidden token, over the updates"
_NUMBER = re.compile(r"[+-]?[\d.,]+%?(?: \(.*\))?")


def page(facts: Facts, curve: bytes | None) -> str:
    """The text of the page.

    Args:
        curve: the picture of the learning curve, a PNG.
    """
    found = sections(facts, examples=True)
    parts = [part for section in found for part in _html(section, curve)]
    template = Template(Path(__file__).with_suffix(".html").read_text("utf-8"))
    return template.substitute(
        title=_safe(facts.name), summary=_safe(summary(facts)), body="\n".join(parts)
    )


def _html(section: Section, curve: bytes | None) -> Iterator[str]:
    yield f"<h2>{_safe(section.title)}</h2>"
    yield from (f"<p>{_safe(sentence)}</p>" for sentence in section.sentences)
    if section.curve and curve:
        data = base64.b64encode(curve).decode()
        yield f'<p><img src="data:image/png;base64,{data}" alt="{_ALT}"></p>'
    if section.rows:
        head = "".join(f'<th scope="col">{_safe(name)}</th>' for name in section.head)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in section.rows)
        table = f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"
        yield f'<div class="wide">{table}</div>'


def _cell(value: object) -> str:
    text = shown(value)
    kind = "number" if _NUMBER.fullmatch(text) else "word"
    return f'<td class="{kind}">{_safe(text)}</td>'


def _safe(text: str) -> str:
    return html.escape(printable(text))
