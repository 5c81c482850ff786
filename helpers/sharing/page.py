"""``result.html``: what was done and what came of it, as one page that needs nothing else."""

import base64
import html
from collections.abc import Iterator
from pathlib import Path
from string import Template

from helpers.common.names import printable
from helpers.sharing.facts import Facts
from helpers.sharing.sections import Section, sections, shown, summary

NAME = "result.html"
_ALT = "The loss in training and validation, in bits per hidden token, over the updates"


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
        kinds = ["number" if numeric else "word" for numeric in section.numeric]
        head = "".join(
            f'<th scope="col" class="{kind}">{_safe(name)}</th>'
            for kind, name in zip(kinds, section.head, strict=True)
        )
        rows = (zip(kinds, row, strict=True) for row in section.rows)
        body = "".join(f"<tr>{''.join(_cell(*each) for each in row)}</tr>\n" for row in rows)
        table = f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"
        yield f'<div class="wide">{table}</div>'


def _cell(kind: str, value: object) -> str:
    text = _safe(shown(value))
    if kind == "number":  # an interval stands below its number
        text = text.replace(" (", "<br>(")
    return f'<td class="{kind}">{text}</td>'


def _safe(text: str) -> str:
    return html.escape(printable(text))
