"""GPT-2's files, and its tokens."""

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given

from helpers.common.errors import CourseError
from helpers.tokens import gpt2 as module
from helpers.tokens.gpt2 import (
    GPT2_IDS,
    SHA256,
    byte_of_letter,
    bytes_of_token,
    count_tokens,
    encode,
    gpt2_file,
    letters_of_token,
)
from tests.support.awkward import TEXTS, text


@pytest.mark.parametrize("name", SHA256)
def test_the_files_are_gpt2s_and_put_right_if_they_are_not(name: str, gpt2_folder: Path):
    assert _sha256(gpt2_file(name)) == SHA256[name]
    (gpt2_folder / name).write_text("something else")
    assert gpt2_file(name) == gpt2_folder / name
    assert _sha256(gpt2_folder / name) == SHA256[name]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("download", [None, b"an error page"])
def test_without_a_correct_copy_the_way_out_is_named(download, gpt2_folder: Path, monkeypatch):
    monkeypatch.setattr(module, "_from_package", lambda name: None)
    monkeypatch.setattr(module, "download", lambda name: download)
    with pytest.raises(CourseError, match=r"gpt2_bpe/vocab\.bpe is missing") as caught:
        gpt2_file("vocab.bpe")
    assert "make -B env" in caught.value.hint
    assert not (gpt2_folder / "vocab.bpe").exists()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """What an address of this machine answers, by the names of files."""
    answers: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(OSError):  # who asks may have had enough
                self.wfile.write(answers[self.path.strip("/")])

        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(module, "ADDRESS", f"http://127.0.0.1:{server.server_port}/")
        yield answers
        server.shutdown()


def test_a_download_is_as_long_as_it_may_be_and_no_longer(sent: dict[str, bytes], monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 100_000)
    head = b"HTTP/1.0 200 OK\r\n\r\n"
    sent |= {"right": head + b"x" * 100_000, "long": head + b"x" * 100_001}
    sent |= {"no-http": b"What?\r\n\r\n", "nothing": b"", "gone": b"HTTP/1.0 404 Gone\r\n\r\n"}
    assert module.download("right") == b"x" * 100_000
    for name in ("long", "no-http", "nothing", "gone"):
        assert module.download(name) is None, name


def test_letters_stand_for_bytes_as_in_fairseq():
    from fairseq.data.encoders.gpt2_bpe_utils import bytes_to_unicode

    assert byte_of_letter() == {letter: byte for byte, letter in bytes_to_unicode().items()}


def test_every_id_has_a_token_of_its_own():
    assert len(letters_of_token()) == len(set(bytes_of_token())) == GPT2_IDS
    assert letters_of_token()[:2] == ("!", '"')
    assert letters_of_token()[995] == "Ġworld"
    assert bytes_of_token()[50256] == b"<|endoftext|>"


@given(text)
def test_tokens_are_the_text_again(content: str):
    assert b"".join(bytes_of_token()[i] for i in encode(content)) == content.encode()


@pytest.mark.parametrize("name", TEXTS)
def test_the_tokens_of_awkward_texts_are_the_text_again(name: str):
    content = TEXTS[name]
    assert b"".join(bytes_of_token()[i] for i in encode(content)) == content.encode()


def test_special_tokens_in_a_text_are_text():
    assert encode("<|endoftext|><mask>").max() < 50256


def test_tokens_are_counted_in_stripped_lines():
    assert count_tokens(" \u3000Hello world\n") == 2
    assert count_tokens(" \n") == 0
