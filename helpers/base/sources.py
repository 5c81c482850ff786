"""Where a base model can come from: the course, a fairseq checkpoint, a Hugging Face folder."""

import dataclasses
import shutil
import tarfile
import zlib
from pathlib import Path

from helpers.base.course_base import DICTIONARY, MODEL, unpack
from helpers.base.folders import meant
from helpers.common.errors import CourseError
from helpers.common.pickles import refuse_other_kinds
from helpers.ids.dictionary import Dictionary, refuse_other_tokens, roberta_dictionary
from helpers.models import checkpoints, shapes, tensor_names
from helpers.models.hf.config import files_of, is_huggingface, tokenizer_of, weights_of
from helpers.models.hf.reading import read_folder
from helpers.workflow.workspace import Workspace

COURSE, SCRATCH = "course", "scratch"
ARCHIVES = (".tar.gz", ".tgz", ".tar")
NAME_IT = "Name the dict.txt that came with the model, with --dict (dict_file in the notebook)."


@dataclasses.dataclass(frozen=True)
class Source:
    """A base model as it was found: fairseq's checkpoint, its dictionary, where it came from."""

    state: dict
    dictionary: Dictionary
    name: str
    notes: tuple[str, ...] = ()


def inputs(
    source: str, dict_file: str, workspace: Workspace, *, download: bool = True
) -> list[Path]:
    """The files that a source stands for; of a checkpoint only the beginning is looked at.

    Args:
        download: whether RoBERTa's own dictionary may be fetched where no other is there.

    Raises:
        CourseError: one of them is not there, has no place here, or is plainly something else.
    """
    if source in (COURSE, SCRATCH):
        if dict_file:
            raise CourseError(
                f"The base model {source!r} brings its own dictionary; {dict_file} is not its.",
                "Leave the dictionary out, or name a model in source.",
            )
        return [MODEL, DICTIONARY] if source == COURSE else []
    found = meant(workspace.locate(source))
    if found.is_dir() and is_huggingface(found):
        if dict_file:
            raise CourseError(
                f"{found} is a Hugging Face folder: its dictionary is made from its vocabulary.",
                "Leave the dictionary out.",
            )
        return files_of(found)
    model = found / "model.pt" if found.is_dir() else found
    if not model.is_file():
        raise CourseError(
            f"There is no base model {model}.",
            "Name a fairseq model.pt, a released .tar.gz, a folder with a model.pt, or a Hugging "
            "Face folder in source; or say 'course' for the course's own.",
        )
    if is_archive(model) and not dict_file:
        return [model]
    if not is_archive(model):
        refuse_other_kinds(model)  # before a dictionary is asked for
    return [model, _dictionary_for(model, dict_file, workspace, download)]


def is_archive(file: Path) -> bool:
    return file.name.endswith(ARCHIVES)


def _dictionary_for(model: Path, dict_file: str, workspace: Workspace, download: bool) -> Path:
    """The dictionary that was named, else the one beside the model, else RoBERTa's own."""
    beside = model.with_name("dict.txt")
    if dict_file:
        dictionary = workspace.locate(dict_file)
    else:
        dictionary = beside if beside.is_file() else roberta_dictionary(download)
    if not dictionary.is_file():
        raise CourseError(
            f"There is no dictionary {dictionary}.",
            "Name the dict.txt that belongs to the model; another one turns it to noise.",
        )
    return dictionary


def read(files: list[Path], scratch: Path) -> Source:
    """Read a model and its dictionary, and check that each token has its row.

    Args:
        files: as :func:`inputs` gave them.
        scratch: an empty folder, for what is in an archive.

    Raises:
        CourseError: what is there cannot be used; the message says why.
    """
    model, notes, hint = files[0], (), NAME_IT
    if model == MODEL:
        state, dictionary = unpack()
        return Source(state, dictionary, COURSE)
    if model.name == "config.json":
        state, dictionary, notes = read_folder(model.parent)
        folder = model.parent
        name, model, dict_file = folder.name, weights_of(folder)[0], tokenizer_of(folder)[0]
        hint = "Take weights and tokenizer from the same place."
    else:
        name = model.name
        if is_archive(model):
            model, *inside = _extracted(model, scratch)
            files = [model, *files[1:], *inside]
        dict_file = files[1] if len(files) > 1 else roberta_dictionary()
        state, dictionary, notes = read_pair(model, dict_file)
    tensor_names.renamed(list(state["model"]), "huggingface")  # refuses what is no plain RoBERTa
    refuse_unfit(state, dictionary, model, dict_file, hint)
    return Source(state, dictionary, name, tuple(notes))


def _extracted(archive: Path, folder: Path) -> list[Path]:
    """``model.pt`` and, where it has one, ``dict.txt`` of an archive; nothing else is unpacked."""
    try:
        with tarfile.open(archive) as tar:
            members = [m for m in tar if m.isfile() and Path(m.name).name == "model.pt"]
            if len(members) != 1:
                raise CourseError(
                    f"{archive} holds {len(members)} files named model.pt; it should hold one.",
                    "Name an archive as fairseq released them, or the model.pt itself.",
                )
            while tar.fileobj.read(2**20):  # to the end, where gzip's checksum stands
                pass
            beside = Path(members[0].name).with_name("dict.txt")
            wanted = [*members, *(m for m in tar if m.isfile() and Path(m.name) == beside)]
            found = [_copied(tar, member, folder) for member in wanted[:2]]
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the archive's
        raise CourseError(
            f"{archive} is damaged: {error}.", "Most often a download broke off; do it again."
        ) from None
    return found


def _copied(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> Path:
    """A file of an archive in ``folder``, whatever folders the archive names."""
    target = folder / Path(member.name).name
    with tar.extractfile(member) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)
    return target


def read_pair(model: Path, dict_file: Path) -> tuple[dict, Dictionary, list[str]]:
    """A checkpoint and its dictionary, and notes; rows that only round up are cut off."""
    state, dictionary = checkpoints.read(model), Dictionary.load(dict_file)
    state, notes = shapes.without_padding(state, len(dictionary) + 1)
    return state, dictionary, notes


def refuse_unfit(
    state: dict, dictionary: Dictionary, model: Path, file: Path, hint: str = NAME_IT
) -> None:
    """Refuse a model and a dictionary that do not fit each other, or the course.

    Raises:
        CourseError: the model is not whole, it has not one row for every symbol, or these are not
            GPT-2's.
    """
    shapes.refuse_broken(state, model)
    rows = shapes.rows_of_vocabulary(state)
    if shapes.is_rounded_up(rows, len(dictionary) + 1):
        raise CourseError(
            f"{model} has {rows:,} rows for tokens, which is {len(dictionary) + 1:,} rounded up, "
            "and fairseq wants one for each symbol of its dictionary.",
            "Move both elsewhere, and name the model in source (notebook 00_setup): the rows that "
            "no symbol has are then cut off.",
        )
    if rows != len(dictionary) + 1:
        raise CourseError(
            f"{model} has {rows:,} rows for tokens, but {file} with the special symbols has "
            f"{len(dictionary) + 1:,}: this dictionary is not the model's.",
            hint,
        )
    refuse_other_tokens(dictionary, file)
