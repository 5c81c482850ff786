"""What settings would do, shown while they are moved: only what takes a moment."""

import functools
import html
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from helpers.base import sources
from helpers.common.figures import documents_per_split, learning_rate, tokens_per_line
from helpers.common.report import Grid
from helpers.common.symbols import EOS, LONGEST_LINE
from helpers.evaluation.report import EXAMPLE
from helpers.evaluation.texts import hide
from helpers.explorer.corpus_preview import CorpusPreview, corpus_preview
from helpers.ids.data_bin import binarized_files
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import tokens_text
from helpers.models.summaries import summary
from helpers.stages import convert
from helpers.stages.both_models import own_guesses
from helpers.stages.road import ROAD
from helpers.text.documents import lines as text_lines
from helpers.text.places import shares_of
from helpers.tokens.gpt2 import encode
from helpers.training.base_model import updates_before
from helpers.training.plan.planning import plan_training
from helpers.training.runs.going_on import known_prints
from helpers.training.schedule import corners
from helpers.workflow.settings import (
    BaseSettings,
    ConvertSettings,
    EvaluateSettings,
    Settings,
    SplitSettings,
)
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace

Preview = Callable[[Workspace, Settings], str]
HIDDEN_LINES, HIDDEN_WIDTH = 6, 2000  # held-out lines in the example of hidden tokens


def of_base(workspace: Workspace, settings: BaseSettings) -> str:
    """The files that a source stands for."""
    files = sources.inputs(settings.source, settings.dict_file, workspace, download=False)
    rows = [(file.name, str(file.parent), file.stat().st_size) for file in files]
    in_course = settings.source in (sources.COURSE, sources.SCRATCH)
    return "" if in_course else Grid(("file", "in", "bytes"), rows, "What is read")._repr_html_()


def of_split(workspace: Workspace, settings: SplitSettings) -> str:
    """Documents per split, the lines against the limit, and what is read."""
    seen = corpus_preview(workspace, settings)
    shares = (settings.train, settings.valid, settings.test)
    parts = shares_of(seen.documents, shares)
    about = "" if seen.share == 1 else "About, because only the beginning was looked at. "
    about += "" if settings.deduplicate else "Equal documents are drawn as one. "
    limit = settings.max_line_tokens
    wrapped = seen.wrapped(limit)
    said = f"{about}{wrapped:,} of {len(seen.tokens):,} lines will be wrapped." if limit else about
    return (
        f"{documents_per_split(parts).html()}{_lengths(seen, limit)}<div>{said}</div>"
        f"{_longest(seen, limit) if wrapped else ''}{seen._repr_html_()}"
    )


@functools.lru_cache(maxsize=4)
def _lengths(seen: CorpusPreview, limit: int) -> str:
    return tokens_per_line(seen.tokens, limit or LONGEST_LINE).html() if len(seen.tokens) else ""


def _longest(seen: CorpusPreview, limit: int) -> str:
    rows = [(tokens, f"{line[:80]} …") for tokens, line in seen.longest if tokens > limit]
    return Grid(("tokens", "begins"), rows, "The longest lines")._repr_html_()


def of_finetune(workspace: Workspace, settings: FinetuneSettings) -> str:
    """The plan; without base or data, the learning rate over the updates alone."""
    first = updates_before(workspace, settings)
    there = [workspace.base_model, *binarized_files(workspace.data_bin)]
    if not all(map(Path.is_file, there)):
        return learning_rate(corners(first, settings)).html()
    inputs = known_prints(workspace, ROAD["finetune"].inputs(workspace, settings))
    return plan_training(workspace, settings, inputs)._repr_html_()


def of_convert(workspace: Workspace, settings: ConvertSettings) -> str:
    """The checkpoint that will be converted."""
    model, dictionary = convert.checkpoint_and_dictionary(workspace, settings)
    found = summary(model) if model.is_file() else None
    if found is None:
        return ""
    head = ("checkpoint", "updates", "validation loss (bits)", "written", "dictionary")
    row = (workspace.key(model), found.updates, found.loss, found.date, workspace.key(dictionary))
    return Grid(head, [row], "What will be converted")._repr_html_()


def of_evaluate(workspace: Workspace, settings: EvaluateSettings) -> str:
    """What both models guess for one's own sentences, and what they will be measured by."""
    return f"{_guessed(workspace, settings)}{_to_guess(workspace, settings)}"


def _guessed(workspace: Workspace, settings: EvaluateSettings) -> str:
    rows = own_guesses(workspace, settings.sentences)
    return Grid(EXAMPLE, rows, "Your sentences before and after")._repr_html_() if rows else ""


def _to_guess(workspace: Workspace, settings: EvaluateSettings) -> str:
    """The beginning of the held-out text, with the tokens marked that the models have to guess."""
    if not (workspace.raw("test").is_file() and workspace.base_dict.is_file()):
        return ""
    dictionary = Dictionary.load(workspace.base_dict)
    text = text_lines(workspace.raw("test"), "utf-8")
    found = itertools.islice((line.strip() for line in text if line.strip()), HIDDEN_LINES)
    lines = [line[:HIDDEN_WIDTH] for line in found]
    ids = [(*dictionary.from_gpt2[encode(line)].tolist(), EOS) for line in lines]
    if not ids:
        return ""
    tokens = np.array(list(itertools.chain(*ids)))
    random = np.random.default_rng(settings.seed)
    hidden, chosen = hide(tokens, dictionary, settings.mask_share, random)
    shown = _text(hidden.tolist(), {*chosen.tolist()}, dictionary)
    return f"<div><b>What the models have to guess</b></div><div>{shown}</div>"


def _text(indices: list[int], marked: set[int], dictionary: Dictionary) -> str:
    """Tokens as text, the marked ones each by itself, all others joined to whole characters."""
    parts = []
    alone = marked | {place for place, index in enumerate(indices) if index == EOS}
    places = range(len(indices))
    for place, run in itertools.groupby(places, key=lambda i: i if i in alone else None):
        text = html.escape(tokens_text((indices[i] for i in run), dictionary).replace("␣", " "))
        ends = place is not None and indices[place] == EOS
        parts.append("<br>" if ends else f"<mark>{text}</mark>" if place in marked else text)
    return "".join(parts)


PREVIEWS: dict[str, Preview] = {
    "base": of_base,
    "split": of_split,
    "finetune": of_finetune,
    "convert": of_convert,
    "evaluate": of_evaluate,
}
