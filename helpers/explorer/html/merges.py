"""Merges and found tokens as HTML that needs nothing else: inline styles, no script."""

import html
from collections.abc import Sequence

from helpers.common.report import Grid
from helpers.explorer.html.tokens import colour_of, framed, in_line
from helpers.explorer.known import KnownTokens
from helpers.explorer.merges import FoundToken, Pair, Step
from helpers.tokens.readable import readable

MOST = 50  # tokens of a search that are shown
# What was just merged, to be seen in black and white, too; the outer line on dark pages.
NEW = "border:3px solid #000;outline:2px solid #808080"


def merge_step(steps: Sequence[Step], number: int) -> str:
    """The pieces of a word after ``number`` merges, which pair was chosen and which lost."""
    step, last = steps[number], number == len(steps) - 1
    new = b"".join(step.merged or ())
    pieces = in_line(
        *(
            framed(readable(p), colour_of(i), NEW if p == new else "")
            for i, p in enumerate(step.pieces)
        )
    )
    said = "The bytes of the word."
    if step.merged:
        said = f"Merge {number} of {len(steps) - 1}: {_pair(step.merged)}, of rank {step.rank:,}."
    if step.lost:
        lost = ", ".join(f"{_pair(pair)} of rank {rank:,}" for pair, rank in step.lost)
        said += f" It had the lowest rank. The others were {lost}."
    if last:
        said += " No neighbours are left that can be merged."
    return f"<div>{pieces}<div style='line-height:1.4'>{said}</div></div>"


def all_merges(steps: Sequence[Step]) -> str:
    """Every step from the single bytes to the tokens, one below the other."""
    return "".join(merge_step(steps, number) for number in range(len(steps)))


def found_tokens(found: Sequence[FoundToken], known: KnownTokens) -> str:
    """A table of the first tokens that a search found."""
    head = ("token", "merged from", "rank", "GPT-2 id", "dictionary index", "in train")
    rows = [
        (
            readable(token.content),
            " + ".join(map(readable, token.merged)) if token.merged else None,
            token.rank,
            str(token.gpt2_id),
            None if known.dictionary is None else str(known.dictionary.from_gpt2[token.gpt2_id]),
            None if known.counts is None else int(known.counts[token.gpt2_id]),
        )
        for token in found[:MOST]
    ]
    first = f"; these are the first {MOST}" if len(found) > MOST else ""
    return Grid(head, rows, f"Tokens found: {len(found):,}{first}")._repr_html_()


def _pair(pair: Pair) -> str:
    left, right = (html.escape(readable(half)) for half in pair)
    return f"<code>{left}</code> + <code>{right}</code>"
