"""What a file is that was taken for a model's: told by its beginning, else by its name."""

import pickletools
import zipfile
from pathlib import Path

BEGINNING = 1 << 16  # bytes that are looked at
# Models as other programs save them, by the end of the file's name.
OTHER_FORMATS = {
    ".h5": "a model of TensorFlow or Keras (HDF5)",
    ".keras": "a model of Keras",
    ".pb": "a model of TensorFlow",
    ".tflite": "a model of TensorFlow Lite",
    ".ckpt.index": "a checkpoint of TensorFlow",
    ".msgpack": "a model of Flax",
    ".onnx": "a model in ONNX",
    ".gguf": "a model in GGUF (llama.cpp)",
    ".ot": "a model of Rust's tch",
    ".mlmodel": "a model of Core ML",
}
BEGIN_WITH = {
    b"\x89HDF": OTHER_FORMATS[".h5"],
    b"GGUF": OTHER_FORMATS[".gguf"],
    b"\x1f\x8b": "an archive (gzip)",
    b"\xfd7zXZ": "an archive (xz)",
    b"BZh": "an archive (bzip2)",
    b"7z\xbc\xaf": "an archive (7z)",
    b"Rar!": "an archive (RAR)",
    b"\x28\xb5\x2f\xfd": "an archive (zstd)",
    b"%PDF": "a PDF",
    b"\x93NUMPY": "an array of NumPy",
}
SAFETENSORS = "a file of safetensors"
PYTORCHS = ("data.pkl", "constants.pkl")  # one of these is in each zip that PyTorch has made
AGAIN = "Take the file itself once more from where it was published."
ONCE_MORE = "Take it once more from where it was published or trained."
NO_MODEL = "Name a model; if this should be one, take it once more from where it was published."
PYTORCH_FORM = "Take the model in PyTorch's form or in safetensors; most are published so, too."
UNPACK = "Unpack it, and name the model that is in it."


def other_kind(file: Path) -> tuple[str, str]:
    """What a file is that PyTorch has not saved, and what to do then.

    Both are empty where that is not known, or where it may be PyTorch's.
    """
    with file.open("rb") as stream:
        begins = stream.read(BEGINNING)
    if not begins:
        return "an empty file", AGAIN
    if begins.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, which stands for the file", "Fetch the file: git lfs pull."
    if begins.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not the file that it should lead to", AGAIN
    if found := next((kind for sign, kind in BEGIN_WITH.items() if begins.startswith(sign)), ""):
        return found, UNPACK if "archive" in found else PYTORCH_FORM
    if begins[8:9] == b"{" and begins[4:8] == bytes(4):
        return SAFETENSORS, "Give it the ending .safetensors, beside its config.json."
    if zipfile.is_zipfile(file):
        return _other_zip(file)
    if begins[257:262] == b"ustar":
        return "an archive (tar)", "Give it a name that ends with .tar, and name that."
    if found := next((kind for end, kind in OTHER_FORMATS.items() if file.name.endswith(end)), ""):
        return found, PYTORCH_FORM
    return ("a text", NO_MODEL) if _is_text(begins) else ("", "")


def _other_zip(file: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "", ""
    is_pytorchs = any(name.endswith(PYTORCHS) for name in names)
    return ("", "") if is_pytorchs else ("an archive (zip)", UNPACK)


def _is_text(begins: bytes) -> bool:
    """Whether bytes are those of a text, and not of a pickle, which may consist of letters too."""
    try:
        text = begins.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(begins) < BEGINNING or error.start < BEGINNING - 4:
            return False
        text = begins[: error.start].decode("utf-8")
    if "\0" in text:
        return False
    try:
        for _ in pickletools.genops(begins):
            pass
    except Exception:  # of a text it makes any
        return True
    return False
