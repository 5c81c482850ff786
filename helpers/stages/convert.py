"""A fairseq checkpoint to a Hugging Face folder, read back from the disk and compared."""

import dataclasses
import shutil
import tempfile
from pathlib import Path

from helpers.base import sources
from helpers.common.errors import CourseError, StageStale
from helpers.common.fairseq import WITHOUT_FAIRSEQ, has_fairseq
from helpers.common.files import refuse_unwritable, resolve
from helpers.common.report import Report, Table, text_table
from helpers.ids.dictionary import Dictionary
from helpers.models import checkpoints, summaries
from helpers.models.hf.certificate import NAME, Certificate, changed, hashes, read_back
from helpers.models.hf.comparison import Compared, compare, lines_to_compare
from helpers.models.hf.folder import FILES, WEIGHTS, write_folder
from helpers.sharing.results import write_card, write_results
from helpers.training.runs.folders import BEST
from helpers.training.runs.run import written
from helpers.workflow.definition import Job, Stage
from helpers.workflow.record import fingerprint
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.workspace import Workspace

NOT_COMPARED = f"fairseq {WITHOUT_FAIRSEQ}; neither logits nor ids were compared."
# Files of a Hugging Face folder that are not written here, and change what is loaded.
READ_TOO = {
    *("special_tokens_map.json", "added_tokens.json", "tokenizer.model", "sentencepiece.bpe.model"),
    *("model.safetensors.index.json", "pytorch_model.bin.index.json", "adapter_config.json"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertReport(Report):
    """The rows are those of :class:`helpers.models.hf.certificate.Certificate`.

    ``difference`` is the largest |Δ| of all logits; None where nothing was compared.
    """

    TITLE = "The checkpoint is a Hugging Face model now"
    checkpoint: str
    updates: int
    files: tuple[str, ...]
    difference: float | None
    rows: tuple[tuple[str, object], ...]

    def table(self) -> Table:
        return ("what", "found"), [("checkpoint", self.checkpoint), *self.rows]


def checkpoint_and_dictionary(workspace: Workspace, settings: ConvertSettings) -> tuple[Path, Path]:
    """The checkpoint to convert and its dictionary.

    Raises:
        CourseError: a folder without ``model.pt`` (the message lists the checkpoints below it), or
            a checkpoint whose dictionary is not found.
    """
    if not settings.roberta_checkpoint_path:
        best = workspace.checkpoints / BEST
        if not workspace.checkpoints.exists() and (workspace.pt / "model.pt").is_file():
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
    if data := (checkpoints.read(model)["cfg"].get("task") or {}).get("data"):
        candidates.append(Path(data.split(":")[0], "dict.txt"))
    copy_it = "Copy the dictionary there that the model was trained with (data-bin/…/dict.txt)."
    for file in candidates:
        if file.is_absolute() and file.is_file():
            if file != candidates[0]:
                _refuse_replaced(file, model, copy_it)
            return file
    raise CourseError(f"There is no dict.txt beside {model}.", copy_it)


def _refuse_replaced(dictionary_file: Path, model: Path, copy_it: str) -> None:
    """Raise CourseError where the data have been made again, with another dictionary."""
    run = written(model.parent)
    data = run.data if run else {}
    wanted = {sha256 for name, sha256 in data.items() if Path(name).name == "dict.txt"}
    if wanted and fingerprint(dictionary_file).sha256 not in wanted:
        raise CourseError(
            f"{dictionary_file} is not the dictionary any more that {model} was trained with, and "
            "there is no dict.txt beside the model.",
            copy_it,
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


def read_fitting_pair(model: Path, dictionary_file: Path) -> tuple[dict, Dictionary, list[str]]:
    """A checkpoint and its dictionary, after the check that they fit, and notes."""
    state, dictionary, notes = sources.read_pair(model, dictionary_file)
    sources.refuse_unfit(state, dictionary, model, dictionary_file)
    return state, dictionary, notes


def convert_into(
    folder: Path,
    state: dict,
    dictionary: Dictionary,
    lines: list[str],
    settings: ConvertSettings,
) -> tuple[Compared | None, str]:
    """Write ``folder/pt`` and ``folder/hf``, and compare them; or why that was not possible.

    Raises:
        CourseError: ids or logits differ from fairseq's.
    """
    pt, hf = folder / "pt", folder / "hf"
    write_for_fairseq(pt, state, dictionary)
    hf.mkdir(parents=True, exist_ok=True)
    write_folder(state, dictionary, hf, settings.dtype, _forms(settings))
    if not has_fairseq():
        return None, NOT_COMPARED
    return compare(pt, hf, lines, settings.device), ""


def _forms(settings: ConvertSettings) -> list[str]:
    return [*WEIGHTS] if settings.weights == "both" else [settings.weights]


def write_for_fairseq(folder: Path, state: dict, dictionary: Dictionary) -> None:
    """What fairseq's hub loader reads: ``model.pt`` and ``dict.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints.write(checkpoints.for_a_base(state), folder / "model.pt")
    (folder / "dict.txt").write_text(dictionary.text(), "utf-8")


def certified(
    hf: Path, model: Path, sha256: str, compared: Compared | None, why_not: str
) -> Certificate:
    """What is known of a folder, read back from the disk."""
    dtype, parameters, tied = read_back(hf)
    found = (dtype, parameters, tied, compared, why_not)
    return Certificate(model.name, sha256, *found, hashes(hf))


def _refuse_another_base(workspace: Workspace, model: Path) -> None:
    """Raise StageStale where a training that no record knows began at another base than today's."""
    made = written(model.parent) if model.parent == workspace.checkpoints else None
    known = workspace.record.entry("base").outputs.get(workspace.key(workspace.base_model))
    base = workspace.base_model
    if made and base.is_file() and fingerprint(base, known).sha256 != made.base:
        raise StageStale(
            f"{workspace.key(model)} was trained from another base than base/model.pt is now.",
            "Run the notebook 04_finetune again, or name the checkpoint, with its own dict.txt "
            "beside it, in roberta_checkpoint_path.",
        )


def _refuse_what_would_be_read_too(folder: Path, settings: ConvertSettings) -> None:
    """Raise CourseError where transformers would not load what is written, but what lies there."""
    read = set(READ_TOO)
    if elsewhere(settings):  # in the workspace, what was made before and is not now goes
        read |= {WEIGHTS[form] for form in WEIGHTS if form not in _forms(settings)}
    there = sorted(read & {file.name for file in folder.iterdir()}) if folder.is_dir() else []
    if there:
        raise CourseError(
            f"{folder} holds {', '.join(there)}, which transformers would read beside the new "
            "files, and the ids or the model would be others.",
            "Name another folder, or remove these files.",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class FolderReport(Report):
    """What is known of a Hugging Face folder, whoever has made it."""

    TITLE = "A Hugging Face folder"
    rows: tuple[tuple[str, object], ...]

    def table(self) -> Table:
        return ("what", "found"), list(self.rows)


def inspect(
    workspace: Workspace, settings: ConvertSettings, folder: Path, against: Path | None
) -> FolderReport:
    """Look at a folder, read back from the disk, and compare it with a checkpoint of fairseq's.

    Raises:
        CourseError: it cannot be loaded, is not as its certificate says, or differs from the
            checkpoint.
    """
    if not folder.is_dir():
        raise CourseError(f"There is no folder {folder}.", "Name one with a config.json.")
    if said := changed(folder):
        raise CourseError(" ".join(said), f"Convert again, or delete {folder / NAME}.")
    compared, why_not = None, "no checkpoint was named (--against)."
    name = folder
    if against:
        name = against / "model.pt" if against.is_dir() else against
        if not name.is_file():
            raise _nothing_to_convert(against)
        compared, why_not = None, NOT_COMPARED
        if has_fairseq():
            state, dictionary, _ = read_fitting_pair(name, _dictionary_of(name))
            with tempfile.TemporaryDirectory() as made:
                write_for_fairseq(Path(made), state, dictionary)
                lines = lines_to_compare(workspace)
                compared, why_not = compare(Path(made), folder, lines, settings.device), ""
    found = certified(folder, name, "", compared, why_not)
    known = "as conversion.json says" if (folder / NAME).is_file() else "no conversion.json there"
    return FolderReport(rows=(("folder", str(folder)), ("files", known), *found.rows()))


def _check(workspace: Workspace, settings: ConvertSettings) -> None:
    """Refuse a checkpoint that was named and is not there, or a folder that cannot be written."""
    named = workspace.locate(settings.roberta_checkpoint_path)
    made_here = (workspace.checkpoints, workspace.pt)  # perhaps not yet
    if settings.roberta_checkpoint_path and not any(map(named.is_relative_to, made_here)):
        read_fitting_pair(*checkpoint_and_dictionary(workspace, settings))
    if folder := elsewhere(settings):
        _refuse_what_would_be_read_too(folder, settings)
        refuse_unwritable(folder)


def _work(job: Job) -> ConvertReport:
    model, dictionary_file = job.files
    if not job.settings.roberta_checkpoint_path:
        _refuse_another_base(job.workspace, model)
    _refuse_what_would_be_read_too(elsewhere(job.settings) or job.workspace.hf, job.settings)
    state, dictionary, notes = read_fitting_pair(model, dictionary_file)
    lines = lines_to_compare(job.workspace)
    compared, why_not = convert_into(job.folder, state, dictionary, lines, job.settings)
    hf = job.folder / "hf"
    certificate = certified(hf, model, job.inputs[model].sha256, compared, why_not)
    certificate.write(hf)
    if model.parent == job.workspace.pt:  # what is read is not replaced by its copy
        shutil.rmtree(job.folder / "pt")
    return ConvertReport(
        checkpoint=model.name,
        updates=checkpoints.updates(state),
        files=tuple(sorted(file.name for file in hf.iterdir())),
        difference=compared.difference if compared else None,
        rows=tuple(certificate.rows()),
        notes=tuple(notes),
    )


def elsewhere(settings: ConvertSettings) -> Path | None:
    """The folder that the settings name for the Hugging Face model, in place of ``hf/``."""
    named = settings.pytorch_dump_folder_path
    return resolve(named) if named else None


def _then(workspace: Workspace, settings: ConvertSettings) -> list[str]:
    folder = elsewhere(settings)
    return write_card(workspace, folder) if folder else write_results(workspace)


def _outputs(workspace: Workspace) -> list[Path]:
    return [workspace.hf / name for name in (*FILES, NAME)]


CONVERT = Stage(
    name="convert",
    does="make a Hugging Face model of the best checkpoint",
    notebook="05_convert",
    settings=ConvertSettings,
    report=ConvertReport,
    inputs=lambda workspace, settings: list(checkpoint_and_dictionary(workspace, settings)),
    outputs=_outputs,
    work=_work,
    elsewhere=elsewhere,
    inspect=inspect,
    check=_check,
    then=_then,
    after=("finetune", "base", "split"),
)
