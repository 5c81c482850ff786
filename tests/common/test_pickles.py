"""What PyTorch saved: NumPy's scalars are read, nothing is run, and a refusal says what for."""

import argparse
import codecs
import collections
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.common.errors import CourseError
from helpers.common.pickles import read_safely
from tests.support.hostile import CreatesAFile

LEGACY = {"_use_new_zipfile_serialization": False}
BOTH = pytest.mark.parametrize("how", [{}, LEGACY], ids=["zip", "plain pickle"])
BROKE_OFF = "broke off"


def saved(file: Path, content: object, **how: object) -> Path:
    torch.save(content, file, **how)
    return file


def refused(file: Path) -> CourseError:
    with pytest.raises(CourseError, match="no checkpoint that can be read safely") as error:
        read_safely(file)
    return error.value


SCALARS = [
    *(np.float64(2.5), np.float32(0.5), np.float16(0.25), np.int64(-3), np.uint8(7), np.int8(-7)),
    *(
        np.bool_(True),
        np.complex64(1 + 2j),
        np.str_("微调"),
        np.str_(""),
        np.bytes_(b""),
        np.bytes_(b"a"),
        np.float64("nan"),
    ),
    *(np.dtype(">f8").type(1.5), np.array(3, ">i4")[()], np.int64(2**62), np.uint64(2**63)),
]


@BOTH
@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_a_numpy_scalar_becomes_pythons_own(tmp_path: Path, how: dict, value: np.generic) -> None:
    content = {"val_loss": value, "args": argparse.Namespace(best=[value])}
    read = read_safely(saved(tmp_path / "model.pt", content, **how))
    for found in (read["val_loss"], *read["args"].best):
        assert type(found) is type(value.item())
        assert found == value.item() or found != found != value.item()


def test_scalars_of_the_first_numpy_are_read_too(tmp_path: Path) -> None:
    file = saved(tmp_path / "model.pt", {"val_loss": np.float64(2.5)}, **LEGACY)
    content = file.read_bytes()
    assert b"cnumpy._core.multiarray\nscalar\n" in content
    file.write_bytes(content.replace(b"cnumpy._core.", b"cnumpy.core."))
    assert read_safely(file) == {"val_loss": 2.5}


REFUSED = {
    "numpy._core.multiarray._reconstruct": np.zeros(3),
    "collections.defaultdict": collections.defaultdict(int),
    "pathlib.PosixPath": Path("/x"),
    "eval": type("Evaluation", (), {"__reduce__": lambda self: (eval, ("1",))})(),
    "codecs.lookup": type("Codec", (), {"__reduce__": lambda self: (codecs.lookup, ("rot13",))})(),
}


@BOTH
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_for_safety_is_named_and_is_no_broken_download(
    tmp_path: Path, how: dict, name: str
) -> None:
    error = refused(saved(tmp_path / "model.pt", {"x": REFUSED[name]}, **how))
    assert name in error.message.split("it asks to run ")[1]
    assert "Nothing of it was run" in error.hint and BROKE_OFF not in error.hint


class Odd:
    """A call of one of the functions that stand in for NumPy's, with other arguments."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


SCALAR = np.float64(1).__reduce__()[0]
ODD = {
    "an object": Odd(SCALAR, np.dtype("O"), "text"),
    "a record": Odd(SCALAR, np.dtype("f8,f8"), b"\0" * 16),
    "two numbers": Odd(SCALAR, np.dtype("f8"), b"\0" * 16),
    "too few bytes": Odd(SCALAR, np.dtype("f8"), b"\0"),
    "a date": np.datetime64("2020-01-01"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_the_functions_that_stand_for_numpys_do_nothing_else(tmp_path: Path, odd: object) -> None:
    refused(saved(tmp_path / "model.pt", {"x": odd}))


OTHER_SCALARS = {
    "M8": np.datetime64("2020-01-01"),
    "m8": np.timedelta64(3, "D"),
    "V3": np.void(b"abc"),
    "V8": np.zeros(1, "i4,i4")[0],
}


@BOTH
@pytest.mark.parametrize("kind", OTHER_SCALARS)
def test_a_scalar_that_is_no_number_or_text_is_named(tmp_path: Path, how: dict, kind: str) -> None:
    error = refused(saved(tmp_path / "model.pt", {"x": OTHER_SCALARS[kind]}, **how))
    assert f"it holds a NumPy scalar of the kind {kind}" in error.message
    assert BROKE_OFF not in error.hint


@BOTH
def test_bytes_are_made_of_no_number(tmp_path: Path, how: dict) -> None:
    refused(saved(tmp_path / "model.pt", {"x": Odd(bytes, 1 << 40)}, **how))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_that_pytorch_has_not_made_is_called_so(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "model.pt"
    file.write_bytes(pickle.dumps({"model": {"a": [1.5]}, "cfg": "微调"}, protocol=protocol))
    error = refused(file)
    what = "another pickle protocol" if protocol > 3 else "a pickle that torch.save has not made"
    assert what in error.message and BROKE_OFF not in error.hint


class OldWay(pickle._Pickler):
    """Writes a call by INST, as pickle's first protocol can; PyTorch's reader does not know it."""

    def save(self, item: object, *others: object, **named: object) -> None:
        if isinstance(item, CreatesAFile):
            _, (command,) = item.__reduce__()
            self.write(pickle.MARK)
            super().save(command)
            self.write(pickle.INST + b"posix\nsystem\n")
        else:
            super().save(item, *others, **named)


def test_an_old_way_to_call_something_is_refused_as_such(tmp_path: Path) -> None:
    trap, file, stream = tmp_path / "it ran", tmp_path / "model.pt", io.BytesIO()
    OldWay(stream, 2).dump({"x": CreatesAFile(trap)})
    saved(file, {"x": 1})
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, stream.getvalue() if name.endswith("data.pkl") else content)
    error = refused(file)
    assert "INST" in error.message and BROKE_OFF not in error.hint and not trap.exists()
    pickle.loads(stream.getvalue())  # the trap itself works
    assert trap.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [0, 4])
def test_another_protocol_is_said(tmp_path: Path, protocol: int) -> None:
    error = refused(saved(tmp_path / "model.pt", {"x": 1}, pickle_protocol=protocol))
    assert "protocol" in error.message and BROKE_OFF not in error.hint


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_program_is_said(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "model.pt")
    error = refused(tmp_path / "model.pt")
    assert "TorchScript" in error.message and BROKE_OFF not in error.hint


@BOTH
def test_what_is_broken_off_still_says_so(tmp_path: Path, how: dict) -> None:
    file = saved(tmp_path / "model.pt", {"x": torch.zeros(500)}, **how)
    file.write_bytes(file.read_bytes()[:900])
    assert BROKE_OFF in refused(file).hint


NUMBERS = torch.arange(1, 20_001, dtype=torch.float)


def damaged(file: Path, part: str, size: int) -> Path:
    """Change so many bytes in the middle of a part of a zip, whose checksum stays."""
    with zipfile.ZipFile(file) as archive:
        (info,) = (each for each in archive.infolist() if each.filename.endswith(part))
        content = archive.read(info)
    whole, middle = bytearray(file.read_bytes()), len(content) // 2
    at = whole.index(content) + middle
    whole[at : at + size] = bytes(255 - byte for byte in whole[at : at + size])
    file.write_bytes(whole)
    return file


@pytest.mark.parametrize("part", ["data/0", "data.pkl"])
@pytest.mark.parametrize("size", [1, 20])
def test_bytes_that_have_changed_are_found_by_the_checksum(
    tmp_path: Path, part: str, size: int
) -> None:
    file = damaged(saved(tmp_path / "模型.pt", {"x": NUMBERS}), part, size)
    with pytest.raises(CourseError, match=rf"is damaged.*CRC.*{part}") as error:
        read_safely(file)
    assert str(file) in error.value.message and "Take it once more" in error.value.hint


def test_checksums_that_pytorch_was_told_to_leave_out_are_not_missed(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        file = saved(tmp_path / "model.pt", {"x": NUMBERS})
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_safely(file)["x"], NUMBERS)


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_checkpoint_that_was_packed_again_is_read_or_refused(tmp_path: Path, how: int) -> None:
    file = saved(tmp_path / "model.pt", {"x": NUMBERS})
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(tmp_path / "again.pt", "w", how) as new:
        for name in archive.namelist():
            new.writestr(name, archive.read(name))
    try:
        assert torch.equal(read_safely(tmp_path / "again.pt")["x"], NUMBERS)
    except CourseError:
        assert how == zipfile.ZIP_LZMA  # which PyTorch does not know
