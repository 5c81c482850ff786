"""What is known for sure of a Hugging Face folder: ``conversion.json``, written and checked."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from helpers.common.errors import CourseError
from helpers.common.files import write_whole
from helpers.models.hf.comparison import Compared
from helpers.models.hf.config import folder_config, json_object
from helpers.models.hf.folder import quiet

if TYPE_CHECKING:
    from transformers import RobertaForMaskedLM

NAME = "conversion.json"


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What was found in a folder, read back from the disk.

    Attributes:
        checkpoint: the name of fairseq's file, and its SHA-256; empty where none is known.
        dtype: of the weights, by PyTorch's name.
        parameters: numbers that are learned, each counted once.
        tied: whether the LM head has the embeddings' very numbers, in one place of memory.
        compared: with the checkpoint, by fairseq; None where that was not possible.
        why_not: why it was not, in a sentence.
        files: SHA-256 of each file.
    """

    checkpoint: str
    sha256: str
    dtype: str
    parameters: int
    tied: bool
    compared: Compared | None
    why_not: str
    files: dict[str, str]

    def write(self, folder: Path) -> None:
        content = json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False)
        write_whole(folder / NAME, content + "\n")

    @classmethod
    def read(cls, folder: Path) -> "Certificate | None":
        """The one that lies in a folder; None where there is none that can be read."""
        try:
            return TypeAdapter(cls).validate_json((folder / NAME).read_bytes())
        except (OSError, ValidationError):
            return None

    def rows(self) -> list[tuple[str, object]]:
        """What and how much, for people."""
        rows: list[tuple[str, object]] = [
            ("numbers", f"{self.parameters:,} in {self.dtype}"),
            ("LM head and embeddings", "tied" if self.tied else "not tied"),
        ]
        if self.compared is None:
            return [*rows, ("compared with fairseq", f"no: {self.why_not}")]
        compared = self.compared
        rows += [
            ("lines compared, token by token", compared.lines),
            ("largest difference of logits", compared.difference),
        ]
        if compared.rounding:
            rows.append((f"… and from the weights before {self.dtype}", compared.rounding))
        return [*rows, ("same first guess", f"{compared.agreement:.1%} of positions")]


def read_back(folder: Path) -> tuple[str, int, bool]:
    """The numbers' type, how many there are, and whether the LM head is tied.

    Raises:
        CourseError: transformers cannot load it, or lacks some of its weights.
    """
    import safetensors
    from transformers import AutoModelForMaskedLM

    quiet()
    folder_config(folder)
    try:
        model, told = AutoModelForMaskedLM.from_pretrained(
            folder, dtype="auto", output_loading_info=True, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise CourseError(
            f"transformers cannot load {folder}: {str(error).splitlines()[0][:300]}",
            "Convert the checkpoint again.",
        ) from None
    for what in ("missing_keys", "mismatched_keys"):
        if told[what]:
            names = ", ".join(sorted(map(str, told[what]))[:5])
            raise CourseError(
                f"The weights in {folder} lack what the model needs, and transformers would take "
                f"random numbers: {names}.",
                "Convert the checkpoint again.",
            )
    kind = str(model.dtype).removeprefix("torch.")
    return kind, sum(each.numel() for each in model.parameters()), _is_tied(model)


def _is_tied(model: "RobertaForMaskedLM") -> bool:
    embeddings = model.get_input_embeddings().weight
    return model.get_output_embeddings().weight.data_ptr() == embeddings.data_ptr()


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file in a folder, but for the certificate itself."""
    found = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name != NAME:
            with file.open("rb") as content:
                found[file.name] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def changed(folder: Path) -> list[str]:
    """What is no more as its certificate says, in sentences; nothing where it has none."""
    if not (folder / NAME).is_file():
        return []
    known = json_object(folder / NAME).get("files")
    if not isinstance(known, dict):
        raise CourseError(f"{folder / NAME} is damaged.", "Convert the checkpoint again.")
    now = hashes(folder)
    said = [f"{name} is not there any more." for name in known if name not in now]
    return said + [
        f"{name} is not the file that was converted: its SHA-256 has changed."
        for name, sha256 in known.items()
        if now.get(name, sha256) != sha256
    ]
