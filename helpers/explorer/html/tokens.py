"""Tokens as HTML that needs nothing else: inline styles, no script.

What is shown is readable on light and dark pages and printed in black and white: dark letters on
light colours, every token in a frame of its own.
"""

import csv
import html
import io
import itertools
from collections.abc import Sequence

import numpy as np

from helpers.common.report import cell
from helpers.common.symbols import EOS, SPECIALS
from helpers.explorer.text import Explored, Token, explore
from helpers.ids.dictionary import Dictionary
from helpers.tokens.readable import readable

# Of Paul Tol's light colours, those of which neighbours are told apart with any colour vision, and
# on which black letters stand out. Source: https://personal.sron.nl/~pault/.
COLOURS = ("#EEDD88", "#99DDFF", "#FFAABB", "#BBCC33")
WHITE = "#FFFFFF"
HEAD = ("#", "token", "bytes", "text[a:b]", "GPT-2 id", "dictionary index", "in train")
_FRAME = (
    "display:inline-block;color:#000;border:1px solid #555;border-radius:3px;"
    "margin:1px;padding:0 2px;line-height:1.5"
)
_CELL = "text-align:left"


def framed(content: str, colour: str, style: str = "", number: int | None = None) -> str:
    """Escaped text in a frame; a number becomes its ``data-t``, by which a live panel links it."""
    data = "" if number is None else f" data-t='{number}'"
    shown = html.escape(content)
    return f"<span{data} style='background:{colour};{_FRAME};{style}'>{shown}</span>"


def over(above: str, below: str) -> str:
    """HTML in a frame, and smaller HTML below it."""
    return (
        f"<span style='background:{WHITE};{_FRAME};vertical-align:middle;text-align:center'>"
        f"{above}<br>"
        f"<span style='font-size:.75em'>{below}</span></span>"
    )


def colour_of(number: int) -> str:
    """Neighbours have different colours."""
    return COLOURS[number % len(COLOURS)]


def in_line(*parts: str) -> str:
    """Frames side by side, in as many lines as it takes."""
    style = "font-family:monospace;line-height:2;overflow-wrap:anywhere"
    return f"<div style='{style}'>{''.join(parts)}</div>"


def token_strip(tokens: Sequence[Token]) -> str:
    """The text in tokens; a character of several tokens whole, with its pieces below it.

    ``data-t`` is the number of the token, the same as in :func:`token_table`.
    """
    numbered = enumerate(tokens)
    groups = itertools.groupby(numbered, key=lambda pair: pair[1].character)
    return in_line(*(_group(list(group)) for _, group in groups))


def _group(tokens: Sequence[tuple[int, Token]]) -> str:
    """One token, or the pieces of one character, each with its number."""
    content = b"".join(token.content for _, token in tokens)
    if not content:
        [(number, token)] = tokens
        return framed(_name(token), WHITE, "border-style:dashed", number) + "<br>"
    if len(tokens) == 1:
        [(number, token)] = tokens
        end = "<br>" if content.endswith(b"\n") else ""
        return framed(_name(token), colour_of(number), "", number) + end
    pieces = "".join(
        framed(token.content.hex(" ").upper(), colour_of(number), "", number)
        for number, token in tokens
    )
    return over(html.escape(readable(content)), pieces)


def _name(token: Token) -> str:
    return SPECIALS[EOS] if token.gpt2_id is None else readable(token.content)


def token_rows(explored: Explored, counts: np.ndarray | None = None) -> list[tuple]:
    """The rows below ``HEAD``; what does not exist is None.

    Args:
        counts: how often each GPT-2 id occurs in the corpus, shape (50257,).
    """
    return [
        (
            number,
            _name(token),
            token.content.hex(" ").upper(),
            f"{token.span[0]}:{token.span[1]}",
            token.gpt2_id,
            token.index,
            None if counts is None or token.gpt2_id is None else int(counts[token.gpt2_id]),
        )
        for number, token in enumerate(explored.tokens)
    ]


def token_table(explored: Explored, counts: np.ndarray | None = None) -> str:
    """One row a token; ``data-t`` is its number."""
    rows = token_rows(explored, counts)
    return _table(HEAD, [[html.escape(_plain(value)) for value in row] for row in rows], mark=True)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], mark: bool = False) -> str:
    """A table of HTML cells; with ``mark`` each row has its number as ``data-t``."""
    names = "".join(f"<th style='{_CELL}'>{html.escape(name)}</th>" for name in head)
    body = "".join(
        (f"<tr data-t='{number}'>" if mark else "<tr>")
        + "".join(f"<td style='{_CELL}'>{cell}</td>" for cell in row)
        + "</tr>"
        for number, row in enumerate(rows)
    )
    return f"<table cellpadding='4'><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _plain(value: object) -> str:
    """Ids without thousands separators, as they stand in files."""
    return str(value) if isinstance(value, int) else cell(value)


def token_csv(explored: Explored, counts: np.ndarray | None = None) -> str:
    """The table for spreadsheets; the mark at its beginning lets Excel read it as UTF-8."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(HEAD)
    writer.writerows(token_rows(explored, counts))
    return "\ufeff" + file.getvalue()


def spellings(word: str, dictionary: Dictionary | None = None) -> str:
    """A word in small and capital letters, without and with a space before it, in tokens."""
    cased = dict.fromkeys((word, word.lower(), word.capitalize(), word.upper()))
    rows = []
    for spelled in (space + word for word in cased for space in ("", " ")):
        tokens = explore(spelled, dictionary, lines=False).tokens
        strip = in_line(*(framed(_name(token), colour_of(i)) for i, token in enumerate(tokens)))
        ids = " ".join(str(token.gpt2_id) for token in tokens)
        rows.append((strip, str(len(tokens)), ids, " ".join(_plain(t.index) for t in tokens)))
    head = ("spelled", "tokens", "GPT-2 ids", "dictionary indices")
    return _table(head, rows)


def facts(explored: Explored) -> str:
    """The counts in a line, and below it what a reader should know."""
    counts = " · ".join(f"{cell(n)} {name}" for name, n in explored.counts().items())
    notes = "".join(f"<div>ⓘ {html.escape(note)}</div>" for note in explored.notes)
    return f"<div>{counts}</div>{notes}"


def page(title: str, *parts: str) -> str:
    """A whole page that can be saved, sent and printed."""
    name = html.escape(title)
    return (
        f"<!doctype html><html><head><meta charset='utf-8'><title>{name}</title></head>"
        "<body style='font-family:sans-serif;color:#000;background:#fff;line-height:1.5;"
        "max-width:60em;margin:1em auto;-webkit-print-color-adjust:exact;print-color-adjust:exact'>"
        f"<h1 style='font-size:1.3em'>{name}</h1>{''.join(parts)}</body></html>\n"
    )
