"""Train a base model from nothing: documents → BPE → dictionary → data-bin → fairseq.

The same recipe makes the scratch base in half a minute and the course's own in an hour or two.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.common.files import fresh_folder
from helpers.common.symbols import LONGEST_LINE
from helpers.ids.binary_files import binarize_file
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints
from helpers.tokens.bpe_files import encode_file, token_counts
from helpers.tokens.wrap import shortened
from helpers.training.command import CONFIG, train_command
from helpers.training.log.events import LOG
from helpers.training.train import train

if TYPE_CHECKING:
    from omegaconf import DictConfig

# With samples of 128 tokens a model learns to look at a word's neighbours in less than half the
# updates that 512 take; but only long samples teach it the later positions.
SHORT = {"task.tokens_per_sample": 128, "dataset.disable_validation": True}


def prepare(documents: Mapping[str, Sequence[str]], data: Path) -> Dictionary:
    """Binarize the documents of ``train`` and ``valid`` into ``data``, which appears when whole.

    The dictionary is in the order of frequency in ``train``.
    """
    folder = fresh_folder(data.with_name(f"{data.name}.unfinished"))
    for split, texts in documents.items():
        raw = folder / f"{split}.raw"
        raw.write_bytes("\n\n".join(map(_wrapped, texts)).encode("utf-8", "replace") + b"\n")
        encode_file(raw, folder / f"{split}.bpe")
    dictionary = Dictionary.from_counts(token_counts(folder / "train.bpe"))
    for split in documents:
        binarize_file(folder / f"{split}.bpe", folder / split, dictionary)
    (folder / "dict.txt").write_text(dictionary.text(), "utf-8")
    folder.rename(data)
    return dictionary


def _wrapped(document: str) -> str:
    lines, _ = shortened(document.split("\n"), LONGEST_LINE)
    return "\n".join(lines)


def pretrain(
    config: str,
    folder: Path,
    more: Mapping[str, object] | None = None,
    *,
    short_until: int = 0,
    lock: int | None = None,
) -> dict:
    """Train on ``folder/data`` until the rate is zero; a run that was interrupted goes on.

    Args:
        config: a file in ``helpers/config/pretraining``, without ``.yaml``.
        more: overrides of it.
        short_until: the update up to which samples are short (see ``SHORT``).

    Returns:
        fairseq's checkpoint after the last update.

    Raises:
        CourseError: training diverged, or what it would go on with cannot be used.
    """
    from omegaconf import OmegaConf

    file = CONFIG / "pretraining" / f"{config}.yaml"
    last = folder / "checkpoints" / "checkpoint_last.pt"
    schedule, rate = OmegaConf.load(file).lr_scheduler, OmegaConf.load(file).optimization.lr[0]
    phases = [(schedule.total_num_update, {})]
    if short_until:  # then the later positions begin untrained, and need the whole rate again
        phases = [
            (short_until, SHORT),
            (schedule.total_num_update, {"optimization.lr": _anew(schedule, rate, short_until)}),
        ]
    for until, values in phases:
        done = checkpoints.updates(checkpoints.read(last)) if last.is_file() else 0
        if done >= until:
            continue
        overrides = {
            "task.data": folder / "data",
            "checkpoint.save_dir": folder / "checkpoints",
            "hydra.run.dir": folder,
            "optimization.max_update": until,
            # The samples are others now, so that the old position among them means nothing.
            "checkpoint.reset_dataloader": 0 < done == short_until,
            **values,
            **(more or {}),
        }
        train(
            train_command(file, overrides),
            folder / LOG,
            max_update=until,
            must_load=last if done else None,
            done=done,
            lock=lock,
        )
    return checkpoints.read(last)


def _anew(schedule: "DictConfig", rate: float, done: int) -> list[float]:
    """The ``lr`` with which fairseq's polynomial decay stands at ``rate`` again after ``done``.

    After n of T updates with a warm-up of w it is ``lr · (T − n) / (T − w)``.
    """
    total = schedule.total_num_update
    return [rate * (total - schedule.warmup_updates) / (total - done)]
