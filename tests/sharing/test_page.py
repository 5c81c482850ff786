"""The page of the result: it needs nothing else, and shows a person's words as they are."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from helpers.sharing.results import write_results
from helpers.stages.road import ROAD
from helpers.workflow.settings import ConvertSettings
from helpers.workflow.workspace import Workspace
from tests.support.scores import SCORES, put_scores

EVIL = "</td><script>alert(1)</script><img src=x onerror=alert(2)> & $body ${title} <mask>"


class Page(HTMLParser):
    """The tags of a page, with what they have, and its words."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(file.read_text("utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words += f"{data} "


@pytest.fixture
def scored(copied: Workspace) -> Workspace:
    examples = [["A <mask> of them.", "tree", "␣a 2%", "␣tree 9%"]]
    put_scores(copied, SCORES, examples=examples)
    write_results(copied)
    return copied


def test_it_tells_of_settings_losses_examples_and_the_proof(scored: Workspace) -> None:
    words = Page(scored.result).words
    for said in ("max_update", "2.200 (2.100 to 2.300)", "A <mask> of them.", "␣tree 9%"):
        assert said in words
    for title in ("Texts", "Training", "What it learned, and what it forgot", "Conversion"):
        assert title in words
    assert "Computed on" in words and "largest difference of logits" in words


def test_it_needs_nothing_else(scored: Workspace) -> None:
    tags = Page(scored.result).tags
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags}
    addresses = [value for _, has in tags for name, value in has.items() if name in ("src", "href")]
    assert len(addresses) == 1 and addresses[0].startswith("data:image/png;base64,")
    assert not [name for _, has in tags for name in has if name.startswith("on")]
    text = scored.result.read_text("utf-8")
    assert "http" not in text and "url(" not in text and "@import" not in text
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags
    assert [has["alt"] for tag, has in tags if tag == "img"] != [""]


def test_a_persons_words_are_shown_as_they_are(copied: Workspace) -> None:
    record = copied.record
    record.stages["base"].report["source"] = f"x{EVIL.replace('/', '')}"
    record.stages["finetune"].report["computed"] = [EVIL]
    record.save()
    put_scores(copied, SCORES, examples=[[EVIL, EVIL, "\x1b[31m", EVIL]])
    write_results(copied)
    page = Page(copied.result)
    assert page.words.count(EVIL) == 4 and "\x1b" not in copied.result.read_text("utf-8")
    assert "script" not in [tag for tag, _ in page.tags]
    assert not [has for _, has in page.tags if "onerror" in has]


def test_it_is_there_before_anything_is_measured(copied: Workspace) -> None:
    """And after it was measured, and another was converted, it does not tell of the old one."""
    put_scores(copied, SCORES)
    write_results(copied)
    assert "2.200" in Page(copied.result).words
    ROAD.run("convert", copied, ConvertSettings(dtype="bfloat16"))
    words = Page(copied.result).words
    assert "in bfloat16" in words and "2.200" not in words
    assert "are not on record yet" in words


def test_one_that_a_person_has_changed_stays(scored: Workspace) -> None:
    changed = scored.result.read_text("utf-8").replace("<h1>", "<h1>My ")
    scored.result.write_text(changed, "utf-8")
    said = write_results(scored)
    assert len(said) == 1 and "result.html is not what the course wrote" in said[0]
    assert scored.result.read_text("utf-8") == changed


def test_a_model_that_others_have_made_has_a_page_without_a_proof(copied: Workspace) -> None:
    (copied.hf / "conversion.json").unlink()
    put_scores(copied, SCORES, examples=[])  # in whose sentences a None may stand
    write_results(copied)
    words = Page(copied.result).words
    assert "Nothing proves what its files were converted from." in words
    assert not re.search(r"\bNone\b", words)
