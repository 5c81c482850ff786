"""A fairseq checkpoint to a Hugging Face folder, read back from the disk and compared."""

import dataclasses
import itertools
import shutil
from pathlib import Path

from helpers import checkpoints, summaries
from helpers.dictionary import SPECIALS, Dictionary
from helpers.errors import CourseError
from helpers.fairseq_tools import require_fairseq
from helpers.files import resolve
from helpers.finetune import BEST
from helpers.huggingface import FILES, quiet, write_folder
from helpers.report import Report, Table, text_table
from helpers.settings import ConvertSettings
from helpers.sources import refuse_unfit
from helpers.stage import Job, Stage
from helpers.tokens import MASK
from helpers.vocabulary import gpt2_file
from helpers.workspace import Workspace

TOLERANCE = 1e-4
LINES = (
    "Hello world! This is RoBERTa.",
    "GPT-2 cuts rare words such as floccinaucinihilipilification into many tokens.",
    "微调之前，先把文本切分成训练、验证和测试三部分。",
    "naïve café 🙂 x² ≤ 10",
)
MASKED = ("The capital of France is <mask>.", "Every <mask> counts, world! <mask> it", "<mask>")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertReport(Report):
    """``difference`` is the largest of all logits compared, ``lines`` how many lines were."""

    TITLE = "The checkpoint is a Hugging Face model now"
    checkpoint: str
    updates: int
    files: tuple[str, ...]
    lines: int
    difference: float

    def table(self) -> Table:
        head = ("checkpoint", "updates", "lines compared", "largest difference of logits")
        return head, [(self.checkpoint, self.updates, self.lines, self.difference)]


def sources(workspace: Workspace, settings: ConvertSettings) -> tuple[Path, Path]:
    """The checkpoint to convert and its dictionary.

    Raises:
        CourseError: a folder without ``model.pt``; the message lists the checkpoints below it.
    """
    if not settings.roberta_checkpoint_path:
        best = workspace.checkpoints / BEST
        if not best.is_file() and (workspace.pt / "model.pt").is_file():
            return workspace.pt / "model.pt", workspace.pt / "dict.txt"
        return best, workspace.base_dict
    named = workspace.locate(settings.roberta_checkpoint_path)
    model = named / "model.pt" if named.is_dir() else named
    if not model.is_file():
        raise _nothing_to_convert(named)
    return model, _dictionary_of(model)


def _dictionary_of(model: Path) -> Path:
    """The dictionary beside a checkpoint, else the one that it was trained with."""
    candidates = [model.with_name("dict.txt")]
    if data := checkpoints.read(model)["cfg"]["task"].get("data"):
        candidates.append(Path(data.split(":")[0], "dict.txt"))
    for file in candidates:
        if file.is_absolute() and file.is_file():
            return file
    raise CourseError(
        f"There is no dict.txt beside {model}.",
        "Copy the dictionary there that the model was trained with (data-bin/…/dict.txt).",
    )


def _nothing_to_convert(folder: Path) -> CourseError:
    found = list(summaries.below(folder)) if folder.is_dir() else []
    best = summaries.best(found)
    if best is None:
        return CourseError(
            f"There is no model.pt in {folder}, and no checkpoint below it.",
            "Name the folder of a model.pt, or a .pt file.",
        )
    rows = [(s.file.relative_to(folder).as_posix(), s.updates, s.loss, s.date) for s in found]
    table = text_table(("checkpoint", "updates", "validation loss (bits)", "date"), rows)
    return CourseError(
        f"There is no model.pt in {folder}, but there are checkpoints below it:\n{table}",
        f"The best is {best.file}: give that as roberta_checkpoint_path.",
    )


def read_both(model: Path, dictionary_file: Path) -> tuple[dict, Dictionary]:
    """A checkpoint and its dictionary, after the check that they fit."""
    state, dictionary = checkpoints.read(model), Dictionary.load(dictionary_file)
    refuse_unfit(state, dictionary, model, dictionary_file)
    return state, dictionary


def convert_into(
    folder: Path, state: dict, dictionary: Dictionary, lines: list[str]
) -> tuple[Path, Path, float]:
    """Write ``folder/pt`` and ``folder/hf`` and compare the two.

    Returns:
        Both folders, and the largest difference of logits.

    Raises:
        CourseError: ids or logits differ from fairseq's.
    """
    pt, hf = folder / "pt", folder / "hf"
    pt.mkdir(parents=True, exist_ok=True)
    hf.mkdir(parents=True, exist_ok=True)
    checkpoints.write(checkpoints.for_a_base(state), pt / "model.pt")
    (pt / "dict.txt").write_text(dictionary.text(), "utf-8")
    write_folder(state, dictionary, hf)
    return pt, hf, largest_difference(pt, hf, lines)


def largest_difference(pt: Path, hf: Path, lines: list[str]) -> float:
    """Load both folders from the disk and compare token ids and logits, line by line.

    Args:
        pt: what fairseq's hub loader reads: ``model.pt`` and ``dict.txt``.
        lines: texts; in those with ``<mask>`` the ids are fairseq's ``fill_mask``'s.

    Raises:
        CourseError: ids differ, or logits by more than 1e-4.
    """
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    require_fairseq()
    quiet()
    from fairseq.models.roberta import RobertaModel

    theirs = AutoModelForMaskedLM.from_pretrained(hf).eval()
    tokenizer = AutoTokenizer.from_pretrained(hf)
    ours = RobertaModel.from_pretrained(
        str(pt),
        checkpoint_file="model.pt",
        bpe="gpt2",
        gpt2_encoder_json=str(gpt2_file("encoder.json")),
        gpt2_vocab_bpe=str(gpt2_file("vocab.bpe")),
    ).eval()
    largest = 0.0
    for line in lines:
        ids = fairseq_ids(ours, line)
        if (other := tokenizer(line)["input_ids"]) != ids:
            raise CourseError(
                f"The tokenizers differ on {line[:80]!r}: fairseq {ids[:12]}, "
                f"Hugging Face {other[:12]}.",
                "This is a fault of the conversion; the folder was not written. Please report it.",
            )
        batch = torch.tensor([ids[: theirs.config.max_position_embeddings - 2]])
        with torch.inference_mode():
            logits = ours.model(batch, features_only=False)[0] - theirs(batch).logits
        largest = max(largest, float(logits.abs().max()))
    if not largest <= TOLERANCE:
        raise CourseError(
            f"The converted model differs from fairseq's by {largest:.2g} (allowed: {TOLERANCE}).",
            "The model is not a plain RoBERTa; the folder was not written.",
        )
    return largest


def fairseq_ids(hub: object, line: str) -> list[int]:
    """The ids that fairseq's hub interface gives a line, as in its ``encode`` and ``fill_mask``."""
    spans = [hub.bpe.encode(span.rstrip()) for span in line.split(MASK)]
    words = f"<s> {f' {MASK} '.join(spans)} </s>"
    dictionary = hub.task.source_dictionary
    return dictionary.encode_line(words, append_eos=False, add_if_not_exist=False).tolist()


def lines_to_compare(workspace: Workspace, count: int = 12) -> list[str]:
    """Lines of the held-out text, if there is any, and some awkward ones, with masks too."""
    found: list[str] = []
    raw = workspace.raw("test")
    if raw.is_file():
        with raw.open(encoding="utf-8") as handle:
            lines = (line.strip() for line in itertools.islice(handle, 20 * count))
            special = (*SPECIALS, MASK)  # text for fairseq, a symbol for Hugging Face
            plain = (line for line in lines if line and not any(s in line for s in special))
            found = list(itertools.islice(plain, count))
    return [*found, *LINES, *MASKED]


def _work(job: Job) -> ConvertReport:
    model, dictionary_file = job.inputs
    state, dictionary = read_both(model, dictionary_file)
    lines = lines_to_compare(job.workspace)
    pt, _, difference = convert_into(job.folder, state, dictionary, lines)
    if model.parent == job.workspace.pt:
        shutil.rmtree(pt)
    return ConvertReport(
        checkpoint=model.name,
        updates=checkpoints.updates(state),
        files=FILES,
        lines=len(lines),
        difference=difference,
    )


def elsewhere(settings: ConvertSettings) -> Path | None:
    """The folder that the settings name for the Hugging Face model, in place of ``hf/``."""
    named = settings.pytorch_dump_folder_path
    return resolve(named) if named else None


def _outputs(workspace: Workspace) -> list[Path]:
    return [workspace.hf / name for name in FILES]


CONVERT = Stage(
    name="convert",
    does="make a Hugging Face model of the best checkpoint",
    notebook="05_convert",
    settings=ConvertSettings,
    report=ConvertReport,
    inputs=lambda workspace, settings: list(sources(workspace, settings)),
    outputs=_outputs,
    work=_work,
    elsewhere=elsewhere,
    after=("finetune", "base", "split"),
)
