"""The base, the fine-tuned and further models, read to be compared, and what they guess."""

import dataclasses
import functools
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.base import sources
from helpers.base.sources import refuse_unfit
from helpers.common.errors import CourseError
from helpers.common.symbols import MASK, UNK
from helpers.evaluation.report import MODELS
from helpers.ids.dictionary import Dictionary
from helpers.machine.devices import chosen
from helpers.models import checkpoints, shapes
from helpers.models.hf.config import files_of, is_huggingface, tokenizer_of, weights_of
from helpers.models.hf.folder import model_of, quiet
from helpers.models.hf.reading import read_folder
from helpers.models.masked_lm import guesses, masked_sentence
from helpers.workflow.settings import EvaluateSettings, TaskSettings
from helpers.workflow.workspace import Workspace

if TYPE_CHECKING:
    from transformers import RobertaForMaskedLM

Row = tuple[str, str, str, str]


@dataclasses.dataclass(frozen=True)
class BothModels:
    """Models with one dictionary.

    Attributes:
        models: by their names: base, fine-tuned, and further ones by what a person named.
        size: the most dictionary indices that all can read.
        notes: what is to be said of the fine-tuned one's files.
    """

    models: dict[str, "RobertaForMaskedLM"]
    dictionary: Dictionary
    size: int
    notes: tuple[str, ...]

    def rows(self, sentences: Sequence[tuple[str, str]], *, own: bool) -> tuple[Row, ...]:
        """Sentence, hidden word, and what base and fine-tuned model guess for it.

        Args:
            sentences: each with its mask, and the word behind it.
            own: one's own must fit; of drawn ones those that are too long are left out.

        Raises:
            CourseError: one's own has more than ``size`` tokens.
        """
        found = []
        for sentence, word in sentences:
            ids = masked_sentence(sentence, self.dictionary)
            if len(ids) <= self.size:
                two = (self.models[name] for name in MODELS)
                guessed = (guesses(model, ids, self.dictionary) for model in two)
                found.append((sentence, word, *guessed))
            elif own:
                raise CourseError(
                    f"The sentence {sentence[:60]!r}… has {len(ids):,} tokens with <s> and </s>; "
                    f"the models read at most {self.size:,}.",
                    f"Shorten it, and leave {MASK} in it.",
                )
        return tuple(found)


def read_both(workspace: Workspace, device: str = "cpu") -> BothModels:
    """Read ``base/`` and ``hf/``, to be computed on a device.

    Raises:
        CourseError: they do not fit each other, or one of them is not whole.
    """
    quiet()
    dictionary = Dictionary.load(workspace.base_dict)
    state, theirs, notes = read_folder(workspace.hf)
    if theirs.symbols != dictionary.symbols:
        raise CourseError(
            "The vocabulary in hf/ has other ids than base/dict.txt: the two models do not belong "
            "together.",
            "Run the notebook 05_convert again.",
        )
    base = checkpoints.read(workspace.base_model)
    refuse_unfit(base, dictionary, workspace.base_model, workspace.base_dict)
    weights, vocabulary = weights_of(workspace.hf)[0], tokenizer_of(workspace.hf)[0]
    refuse_unfit(state, theirs, weights, vocabulary, "Run the notebook 05_convert again.")
    size = min(shapes.shape(each)["max_positions"] for each in (base, state))
    where = chosen(device)
    models = {
        name: model_of(each).to(where) for name, each in zip(MODELS, (base, state), strict=True)
    }
    return BothModels(models, dictionary, size, tuple(notes))


def read_all(workspace: Workspace, others: Sequence[str], device: str = "cpu") -> BothModels:
    """Also models that a person has named, as for a base: by a folder, a ``.pt`` file, "course".

    Raises:
        CourseError: as :func:`read_both`, or one cannot be used, or has other tokens.
    """
    both = read_both(workspace, device)
    models, size, notes = dict(both.models), both.size, [*both.notes]
    read: set[Path] = set()
    for name in others:
        files = files_of_other(workspace, name)
        if files[0] in read:  # named twice
            continue
        read.add(files[0])
        with tempfile.TemporaryDirectory() as scratch:
            found = sources.read(files, Path(scratch))
        if found.dictionary.lacking and not both.dictionary.lacking:
            raise CourseError(
                f"{name} lacks {len(found.dictionary.lacking):,} of GPT-2's tokens in its "
                "vocabulary: what it loses cannot be compared.",
                "Leave it out of models.",
            )
        size = min(size, shapes.shape(found.state)["max_positions"])
        state = in_order_of(both.dictionary, found.dictionary, found.state)
        models[f"./{name}" if name in MODELS else name] = model_of(state).to(chosen(device))
        notes += found.notes
    return BothModels(models, both.dictionary, size, tuple(notes))


def files_of_other(workspace: Workspace, name: str) -> list[Path]:
    """The files of a model that a person has named.

    Raises:
        CourseError: it is not there, or is plainly something else.
    """
    if name == sources.COURSE:
        return sources.inputs(name, "", workspace)
    place = workspace.locate(name)
    if not place.exists():
        raise CourseError(
            f"There is no model {place}.",
            "Name a Hugging Face folder, a .pt file with its dict.txt beside it, or 'course' in "
            "models.",
        )
    return sources.inputs(str(place), "", workspace)


def files_compared(workspace: Workspace, settings: EvaluateSettings | TaskSettings) -> list[Path]:
    """The files of base, fine-tuned and further models; a model that is missing is among them."""
    config = workspace.hf / "config.json"
    hf = files_of(workspace.hf) if is_huggingface(workspace.hf) else [config]
    others = [file for name in settings.models for file in files_of_other(workspace, name)]
    return [workspace.base_model, workspace.base_dict, *hf, *dict.fromkeys(others)]


def check_others(workspace: Workspace, settings: EvaluateSettings | TaskSettings) -> None:
    """Refuse further models that cannot be there, unless the workspace itself may make them yet.

    Raises:
        CourseError: as :func:`files_of_other`.
    """
    for name in settings.models:
        place = workspace.locate(name) if name != sources.COURSE else None
        if place is None or place.exists() or not place.is_relative_to(workspace.root):
            files_of_other(workspace, name)


def in_order_of(wanted: Dictionary, theirs: Dictionary, state: dict) -> dict:
    """A checkpoint whose rows of the vocabulary are those of another dictionary.

    What the other one does not have comes behind, so that all chances stay what they were.
    """
    if wanted.symbols == theirs.symbols:
        return state
    import torch

    place = {symbol: index for index, symbol in enumerate(theirs.all_symbols)}
    ours = {*wanted.all_symbols}
    more = [symbol for symbol in theirs.all_symbols if symbol not in ours]
    rows = [place.get(symbol, UNK) for symbol in wanted.all_symbols]
    rows = torch.tensor(rows + [place[symbol] for symbol in more])
    size = len(theirs.all_symbols)
    model = {
        name: tensor[rows] if tensor.shape[:1] == (size,) and _is_of_words(name) else tensor
        for name, tensor in state["model"].items()
    }
    lacking = [i for i, symbol in enumerate(wanted.all_symbols) if symbol not in place]
    model["encoder.lm_head.bias"][lacking] = -math.inf  # which it never guesses
    return state | {"model": model}


def _is_of_words(name: str) -> bool:
    """Whether a tensor has a row, or a number, for each token."""
    return name.endswith(("embed_tokens.weight", "lm_head.weight", "lm_head.bias"))


def own_guesses(workspace: Workspace, sentences: Sequence[str]) -> tuple[Row, ...]:
    """What both models guess for one's own sentences, without measuring anything.

    The models are kept in memory as long as their files stay as they are. No rows, where one of
    them is not there yet.

    Raises:
        CourseError: as :func:`read_both`, or a sentence is too long.
    """
    needed = (workspace.base_model, workspace.base_dict)
    if not sentences or not is_huggingface(workspace.hf) or not all(map(Path.is_file, needed)):
        return ()
    stats = [(str(file), file.stat()) for file in (*needed, *files_of(workspace.hf))]
    stamps = tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
    return _rows(workspace.root, stamps, tuple(sentences))


@functools.lru_cache(maxsize=4)
def _rows(root: Path, stamps: tuple, sentences: tuple[str, ...]) -> tuple[Row, ...]:
    return _kept(root, stamps).rows([(sentence, "") for sentence in sentences], own=True)


@functools.lru_cache(maxsize=1)
def _kept(root: Path, stamps: tuple) -> BothModels:
    return read_both(Workspace(root))
