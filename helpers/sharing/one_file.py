"""A Hugging Face folder as one file to be downloaded: ``hf.zip`` in the workspace."""

import os
import zipfile
from pathlib import Path
from urllib.parse import quote

from helpers.common.errors import StageMissing
from helpers.common.files import files_below, set_aside, write_whole
from helpers.common.symbols import SOFTWARE
from helpers.models.hf.config import is_huggingface
from helpers.workflow.workspace import Workspace, refuse_folders

_OURS = f"Written by {SOFTWARE}".encode()  # the archive's comment
_AS_IT_IS = {".safetensors", ".bin", ".png"}  # random digits do not become shorter


def file_of(workspace: Workspace, folder: Path) -> Path:
    """Where the archive of a folder stands."""
    return workspace.root / f"{folder.name}.zip"


def as_one_file(workspace: Workspace, folder: Path | None = None) -> Path:
    """Pack a Hugging Face folder, with all that lies in it, whole or not at all.

    A file of one's own in the archive's place is kept as ``hf.zip.old-1``.

    Args:
        folder: another than ``hf/`` of the workspace.

    Raises:
        StageMissing: there is no model in the folder.
        InUse: another run works in the workspace.
        CourseError: a folder or a link is in the archive's place, or the disk is full.
    """
    folder = folder or workspace.hf
    if not is_huggingface(folder):
        raise StageMissing(
            f"There is no Hugging Face model in {folder} yet.", "Run the notebook 05_convert first."
        )
    file = workspace.refuse_link(file_of(workspace, folder))
    refuse_folders([file])
    with workspace.lock(f"packing {file.name}"):
        if file.exists() and not _is_ours(file):
            set_aside(file)
        for draft in file.parent.glob(f".{file.name}.*"):  # of a packing that was killed
            draft.unlink(missing_ok=True)
        write_whole(file, lambda beside: _pack(folder, beside))
    return file


def _is_ours(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.comment == _OURS
    except (zipfile.BadZipFile, OSError):
        return False


def _pack(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        archive.comment = _OURS
        for file in files_below(folder):
            inside = file.relative_to(folder)
            if any(part.startswith(".") for part in inside.parts):  # of a run that was killed
                continue
            how = zipfile.ZIP_STORED if file.suffix in _AS_IT_IS else zipfile.ZIP_DEFLATED
            archive.write(file, Path(folder.name, inside).as_posix(), how)


def relative_link(file: Path) -> str:
    """The address of a file for a page that lies where this process stands, as a notebook does."""
    return quote(Path(os.path.relpath(file)).as_posix())
