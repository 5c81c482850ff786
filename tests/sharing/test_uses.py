"""What others do with the folder, without a network: guess, classify, compare sentences."""

import json
import logging
import socket
from collections.abc import Iterator

import pytest
import torch

from helpers.common.files import PROJECT
from helpers.workflow.workspace import Workspace


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody asks the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """What transformers warns of, at its usual verbosity."""
    from transformers.utils import logging as theirs

    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    before = theirs.get_verbosity()
    theirs.set_verbosity_warning()
    theirs.add_handler(handler)
    yield said
    theirs.remove_handler(handler)
    theirs.set_verbosity(before)


def missing(said: list[str]) -> list[str]:
    """The rows of transformers' tables that tell of weights which it made up."""
    return [line for text in said for line in text.splitlines() if "| MISSING" in line]


def test_hidden_words_are_guessed(small: Workspace, warned: list[str]) -> None:
    from transformers import pipeline

    guesses = pipeline("fill-mask", model=str(small.hf))("A short <mask> here.")
    assert len(guesses) == 5 and all(0 < guess["score"] < 1 for guess in guesses)
    assert missing(warned) == []


def test_a_classifier_has_all_but_its_head(small: Workspace, warned: list[str]) -> None:
    from transformers import AutoModelForSequenceClassification

    model, told = AutoModelForSequenceClassification.from_pretrained(
        small.hf, num_labels=2, output_loading_info=True
    )
    assert model.num_labels == 2
    assert told["missing_keys"] and all(
        key.startswith("classifier.") for key in told["missing_keys"]
    )
    assert not told["mismatched_keys"]
    assert all(key.startswith("lm_head.") for key in told["unexpected_keys"])
    assert missing(warned)  # transformers says so, and would say of others
    assert all(row.startswith("classifier.") for row in missing(warned))


def test_sentences_are_vectors(small: Workspace, warned: list[str]) -> None:
    """The padding of a shorter sentence changes nothing."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(small.hf)
    encoder, told = AutoModel.from_pretrained(
        small.hf, add_pooling_layer=False, output_loading_info=True
    )
    assert not told["missing_keys"] and not told["mismatched_keys"]

    def means(sentences: list[str]) -> torch.Tensor:
        batch = tokenizer(sentences, padding=True, return_tensors="pt")
        with torch.no_grad():
            vectors = encoder.eval()(**batch).last_hidden_state
        is_text = batch["attention_mask"].unsqueeze(-1)
        return (vectors * is_text).sum(dim=1) / is_text.sum(dim=1)

    short, long = "A tree.", "Many trees stand in a forest, and none is like another."
    together, alone = means([short, long]), means([short])
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-4)
    assert -1 <= float(torch.cosine_similarity(*together, dim=0)) < 1
    assert missing(warned) == []


def test_the_notebook_shows_these_and_they_run(
    small: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = json.loads((PROJECT / "notebooks" / "05_convert.ipynb").read_text("utf-8"))["cells"]
    code = {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"}
    names: dict[str, object] = {"folder": small.hf, "work": small}
    imports = code["05-04"].split("work = ")[0]
    for source in (imports, code["05-11"], code["05-13"], code["05-15"]):
        exec(source, names)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "added, and not trained yet:"
    assert said[1:-1] and all(line.startswith("classifier.") for line in said[1:-1])
    assert said[-1].startswith("cosine similarity: ")
    assert not (small.root / "hf.zip").exists()
