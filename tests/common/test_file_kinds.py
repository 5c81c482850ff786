"""Files that are taken for a model's and are something else: said at once, and by what they are."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from helpers.base import sources
from helpers.common.errors import CourseError
from helpers.common.file_kinds import other_kind
from helpers.common.pickles import read_safely
from helpers.workflow.workspace import Workspace

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 501\n"
PAGE = b"\n<!DOCTYPE html><html><title>404</title></html>"


def archive(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as new:
        new.writestr("model.pt", "x")


KINDS = {
    "空.pt": (b"", "an empty file"),
    "model.pt": (POINTER, "a pointer of Git LFS"),
    "page.pt": (PAGE, "a web page"),
    "x.txt": ("一个文本，不是模型。".encode() * 9000, "a text"),
    "notes.pt": (b"This is a text.\n", "a text"),
    "model.onnx": (b"\x08\x09\x12\x07pytorch", "in ONNX"),
    "tf_model.h5": (b"\x89HDF\r\n\x1a\n\0\0", "TensorFlow or Keras"),
    "flax_model.msgpack": (b"\x83\xa7", "of Flax"),
    "rust_model.ot": (b"PK\x03\x04", "Rust's tch"),
    "renamed.pt": (b"GGUF\x03\0\0\0", r"GGUF \(llama"),
    "m.safetensors.index.json": (b'{"weight_map": {}}', "a text|no config.json"),
    "model.zip": (archive, r"an archive \(zip\)"),
    "numbers.npy": (lambda file: np.save(file, np.zeros(3)), "an array of NumPy"),
    "numbers.npz": (lambda file: np.savez(file, a=np.zeros(3)), r"an archive \(zip\)"),
    "weights.pt": (lambda file: save_file({"a": torch.zeros(2)}, file), "a file of safetensors"),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("dictionary", [False, True], ids=["alone", "with a dictionary"])
def test_what_is_no_checkpoint_is_said_before_a_dictionary_is_asked_for(
    tmp_path: Path, workspace: Workspace, name: str, dictionary: bool
) -> None:
    content, kind = KINDS[name]
    file, dict_file = tmp_path / name, tmp_path / "named.txt"
    content(file) if callable(content) else file.write_bytes(content)
    dict_file.touch()
    with pytest.raises(CourseError, match=kind) as error:
        sources.inputs(str(file), str(dict_file) if dictionary else "", workspace, download=False)
    assert str(file) in error.value.message and error.value.hint
    assert "dict.txt" not in str(error.value) and "broke off" not in str(error.value)
    with pytest.raises(CourseError, match="can be read safely"):
        read_safely(file)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("zipped", [True, False])
def test_pytorchs_own_files_are_of_no_other_kind(
    tmp_path: Path, protocol: int, zipped: bool
) -> None:
    file = tmp_path / "model.pt"
    how = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": zipped}
    torch.save({"微调": torch.zeros(3)}, file, **how)
    assert other_kind(file) == ("", "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_is_of_no_other_kind_either(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "model.pt")
    assert other_kind(tmp_path / "model.pt") == ("", "")
