"""The tokens of a corpus, against counting one by one; what is kept; the view and its twin."""

import dataclasses
import html.parser
import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.common import figures
from helpers.common.errors import DamagedFile, StageMissing
from helpers.common.files import PROJECT
from helpers.explorer import corpus, counting, scripts
from helpers.explorer.corpus import CorpusTokens, kept
from helpers.explorer.counting import Fragmented
from helpers.explorer.text import WORD
from helpers.panels.explorer.corpus_view import CorpusView
from helpers.tokens.gpt2 import GPT2_IDS, bytes_of_token, encode
from helpers.workflow.workspace import Workspace
from tests.support.awkward import SHARED, TEXTS, text
from tests.support.killed import killed

PAGE = "Tokenization of eigenvectors, (eigenvectors)! 微调模型 裏覚醒 🙂 Привет x1 \n\n" * 6


def put(workspace: Workspace, content: str, split: str = "train") -> Workspace:
    file = workspace.raw(split)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode())
    return workspace


def count(workspace: Workspace, **options: object) -> CorpusTokens:
    return corpus.corpus_tokens(workspace, **({"workers": 1} | options))


# Counting one by one


def script_of(character: str) -> str:
    patterns = scripts._PATTERNS.items()
    return next(
        (name for name, p in patterns if regex.fullmatch(p, character)), scripts.SCRIPTS[-1]
    )


def one_by_one(file: Path) -> dict:
    counts, lines, words = Counter(), Counter(), Counter()
    cost = {name: [0, 0, 0] for name in scripts.SCRIPTS}
    for line in file.open(encoding="utf-8"):
        line = line.strip()
        ids = encode(line).tolist()
        counts.update(ids)
        lines[len(ids)] += bool(line)
        byte_places = [i for i, character in enumerate(line) for _ in character.encode()]
        belongs = [script_of(character) for character in line]
        of_token, begin = [], 0
        for token in (bytes_of_token()[i] for i in ids):
            led = token[:1] == b" " and len(token) > 1
            place = byte_places[begin + led]
            if led:
                belongs[place - 1] = belongs[place]
            of_token.append(place)
            cost[belongs[place]][2] += 1
            begin += len(token)
        for character, script in zip(line, belongs, strict=True):
            cost[script][0] += 1
            cost[script][1] += len(character.encode())
        tokens_at = Counter(of_token)
        for word in WORD.finditer(line):
            words[sum(map(tokens_at.__getitem__, range(*word.span())))] += 1
    return {
        "counts": [counts[i] for i in range(GPT2_IDS)],
        "lines": sorted((n, times) for n, times in lines.items() if times),
        "words": sorted(words.items()),
        "scripts": {(name, *numbers) for name, numbers in cost.items() if any(numbers)},
    }


def fragmented_one_by_one(file: Path) -> list[Fragmented]:
    def fits(kind: str, character: str) -> bool:
        return bool(regex.fullmatch(rf"[{kind}]", character))

    found: Counter[str] = Counter()
    for word in (word for line in file.open(encoding="utf-8") for word in WORD.findall(line)):
        inside = [i for i, c in enumerate(word) if fits(r"\p{L}\p{M}\p{N}", c)]
        core = word[inside[0] : inside[-1] + 1] if inside else ""
        letters = all(fits(r"\p{L}\p{M}", c) for c in core)
        program = any(fits(r"\p{Ll}", a) and fits(r"\p{Lu}", b) for a, b in pairwise(core))
        if core and letters and fits(r"\p{L}", core[0]) and len(core) <= 40 and not program:
            found[core] += 1
    rows = []
    for word, times in found.items():
        sign = fits(r"\p{Han}\p{Hiragana}\p{Katakana}", word[0])
        rows.append(Fragmented(word, len(encode(word if sign else f" {word}")), times))
    rows = [row for row in rows if row.tokens >= 3 and row.times >= counting.TIMES]
    return sorted(rows, key=lambda row: (-row.tokens, -row.times, row.word))[:20]


def check(found: CorpusTokens, wanted: dict) -> None:
    assert found.counts.tolist() == wanted["counts"]
    assert [*found.lines] == wanted["lines"]
    assert [*found.words] == wanted["words"]
    assert {*map(tuple, found.scripts)} == wanted["scripts"]


COUNTED = settings(max_examples=60, suppress_health_check=SHARED)


@COUNTED
@given(content=text, size=st.sampled_from([1, 5, 1000]))
@example(content=PAGE, size=9)
@example(content="裏覚醒 裏覚醒\n", size=9)
@example(content="葛\U000e0100", size=1)
@example(content=" \x1c x\n\u3000y  z \u00a0 w\n", size=3)
def test_everything_is_counted_as_one_by_one(content, size, workspace, monkeypatch):
    monkeypatch.setattr(corpus, "CHUNK", size)
    monkeypatch.setattr(counting, "TIMES", 1)
    file = put(workspace, content).raw("train")
    found = count(workspace, force=True)
    check(found, one_by_one(file))
    assert [*found.fragmented] == fragmented_one_by_one(file)


@pytest.mark.parametrize("name", TEXTS)
def test_awkward_texts_are_counted_as_one_by_one(name, workspace):
    found = count(put(workspace, TEXTS[name]))
    check(found, one_by_one(workspace.raw("train")))
    assert kept(workspace, "train").to_json() == found.to_json()


def test_a_page_in_numbers(workspace):
    found = count(put(workspace, PAGE))
    assert found.used == len({*encode(PAGE.splitlines()[0].strip()).tolist()})
    assert dict(found.words)[0] == 12  # 裏覚醒 is one token, of its first sign
    assert Fragmented("eigenvectors", 4, 12) in found.fragmented
    assert "␣e | igen | ve | ctors" in str(found)


def test_many_workers_give_the_same(workspace, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})  # else one core, one worker
    put(workspace, PAGE * 5)
    alone = count(workspace).to_json()
    monkeypatch.setattr(corpus, "CHUNK", 300)
    assert count(workspace, workers=2, force=True).to_json() == alone


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.sampled_from([1, 50, 90, 99, 100]))
def test_so_many_tokens_cover_so_much(numbers, percent):
    counts = np.zeros(GPT2_IDS, dtype=np.int64)
    counts[: len(numbers)] = numbers
    empty = {"split": "train", "lines": (), "words": (), "fragmented": (), "scripts": ()}
    covering = CorpusTokens(counts=counts, **empty).covering(percent)
    ordered, total = sorted(numbers, reverse=True), sum(numbers)
    assert 100 * sum(ordered[:covering]) >= percent * total
    assert not total or 100 * sum(ordered[: covering - 1]) < percent * total


# Scripts and fragmented words

KNOWN = {
    "Latin": "aZé", "Greek": "λ", "Cyrillic": "Я", "Arabic": "ع", "Hebrew": "ע", "Devanagari": "हि",
    "Thai": "ท", "Korean Hangul": "한", "Han": "微々〇", "Japanese kana": "ひカー",
    "numbers": "7½²٣", "emoji": "🙂👍🏽❤️", "other letters": "ა\u0301\U000e0100",
    "white space": " \t\u3000", "punctuation and signs": ".,，。©+\ufeff\ue000\U000f0000",
}  # fmt: skip


@pytest.mark.parametrize("script", KNOWN)
def test_characters_belong_to_their_script(script):
    found = [scripts.SCRIPTS[i] for i in scripts.scripts_of(KNOWN[script])]
    assert found == [script] * len(KNOWN[script])


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_character_belongs_to_the_first_script_that_fits(characters):
    found = [scripts.SCRIPTS[i] for i in scripts.scripts_of(characters)]
    assert found == [script_of(character) for character in characters]


def test_of_equally_many_tokens_the_frequent_word_comes_first():
    table = {"b": (4, 7), "a": (4, 7), "z": (4, 9), "c": (5, 5), "d": (9, 4)}
    assert [row.word for row in counting.most_fragmented(table)] == ["c", "z", "a", "b"]


def test_words_that_cannot_be_listed_any_more_are_forgotten(monkeypatch):
    monkeypatch.setattr(counting, "MOST", 100)
    often = [Fragmented(f"often{i}", 9, 2) for i in range(20)]
    table, every = {}, {}
    for part in range(200):
        found = [*often, *(Fragmented(f"{part}-{i}", 3 + i % 3, 7) for i in range(40))]
        table = counting.add_fragmented(table, found)
        for row in found:
            every[row.word] = (row.tokens, row.times + every.get(row.word, (0, 0))[1])
        assert len(table) <= 100
    assert counting.most_fragmented(table) == counting.most_fragmented(every)
    assert counting.most_fragmented(table)[0] == Fragmented("often0", 9, 400)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 9)), max_size=300))
def test_the_table_of_words_stays_small_and_never_says_too_much(seen):
    table, every = {}, Counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "MOST", 30)
        for number, times in seen:
            word = Fragmented(str(number), 3 + number % 9, times)
            table = counting.add_fragmented(table, [word])
            every[word.word] += times
            assert len(table) <= 30
    assert all(times <= every[word] for word, (_, times) in table.items())


# What is kept


def test_it_is_counted_once(workspace, monkeypatch):
    put(workspace, PAGE)
    assert kept(workspace, "train") is None
    first = count(workspace)
    monkeypatch.setattr(corpus, "_counted_file", None)
    assert count(workspace).to_json() == kept(workspace, "train").to_json() == first.to_json()
    os.utime(workspace.raw("train"))
    assert kept(workspace, "train").to_json() == first.to_json()


def test_a_split_that_has_changed_is_counted_again(workspace):
    count(put(workspace, PAGE))
    put(workspace, "other text\n")
    assert kept(workspace, "train") is None
    assert count(workspace).tokens == 2
    workspace.raw("train").unlink()
    assert kept(workspace, "train") is None


def damages(content: str) -> dict[str, str]:
    def changed(**values: object) -> str:
        found = json.loads(content)
        place = found if {*values} <= {*found} else found["tokens"]
        return json.dumps(found | values if place is found else found | {"tokens": place | values})

    return {
        "empty": "",
        "half": content[: len(content) // 2],
        "not JSON": "\ud7ff{",
        "a list": "[]",
        "an older format": changed(format=0),
        "fewer counts": changed(counts=[1, 2]),
        "other counts": changed(counts=[1] * GPT2_IDS),
        "no scripts": changed(scripts=None),
        "a row too short": changed(words=[[1]]),
        "words are a number": changed(fragmented=3),
        "made from nothing": changed(made_from=[]),
        "of another split": changed(split="valid"),
    }


def test_a_damaged_file_is_counted_again(workspace):
    first = count(put(workspace, PAGE)).to_json()
    file = workspace.root / "explorer" / "tokens-train.json"
    content = file.read_text("utf-8")
    for name, damaged in damages(content).items():
        file.write_text(damaged, "utf-8")
        assert kept(workspace, "train") is None, name
        assert count(workspace).to_json() == first, name
        assert file.read_text("utf-8") == content, name
    file.write_bytes(b"\xff\xfe")
    assert count(workspace).to_json() == first


def test_killed_while_writing_nothing_half_is_kept(workspace):
    put(workspace, PAGE)
    wanted = one_by_one(workspace.raw("train"))
    step = 1
    while killed(lambda: count(workspace), step):
        if (found := kept(workspace, "train")) is not None:
            check(found, wanted)
            (workspace.root / "explorer" / "tokens-train.json").unlink()
        else:
            assert not [*workspace.root.glob("explorer/tokens*")]
        step += 1
    assert step > 3
    check(kept(workspace, "train"), wanted)


def test_a_split_that_is_not_there_is_named(workspace):
    with pytest.raises(StageMissing, match=r"data\.valid\.raw is not there yet\.\nRun the.* 01"):
        count(workspace, split="valid")
    workspace.raw("train").parent.mkdir(parents=True)
    workspace.raw("train").write_bytes(b"good\nb\xe9d\n")
    with pytest.raises(DamagedFile, match="line 2: not UTF-8"):
        count(workspace)


def test_neither_fairseq_nor_torch_is_needed(workspace):
    put(workspace, PAGE)
    code = (
        "import sys; sys.modules.update(fairseq=None, torch=None)\n"
        "from helpers.workflow import workspace\n"
        "from helpers.explorer import corpus\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"found = corpus.corpus_tokens(workspace.Workspace({str(workspace.root)!r}))\n"
        "print(found.tokens, '<img' in found.html())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout.split() == [str(kept(workspace, "train").tokens), "True"], done.stderr


# What is shown


def self_contained(shown: str) -> bool:
    """No script, no style that a page would need, and nothing that is fetched."""
    tags: list[tuple[str, dict]] = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(shown)
    plain = all({*attributes} <= {"style", "src", "alt", "class"} for _, attributes in tags)
    plain &= {attributes.get("class") for _, attributes in tags} <= {None, "course-figure"}
    data = all(about["src"].startswith("data:") for tag, about in tags if tag == "img")
    known = {"div", "b", "table", "thead", "tbody", "tr", "th", "td", "img"}
    return plain and data and {tag for tag, _ in tags} <= known


def test_the_twin_needs_nothing_else(workspace):
    found = count(put(workspace, PAGE))
    shown = found.html()
    assert self_contained(shown) and shown.count("<img") == 4
    for words in ("Han", "Cyrillic", "different tokens that make up 99%", "eigenvectors"):
        assert words in shown
    assert "Hangul" not in shown
    assert found._repr_html_() == shown == found._repr_mimebundle_()["text/html"]


def test_text_of_the_corpus_is_escaped(workspace):
    nasty = "<script>alert('1')</script> <img/src=x onerror=alert(1)> "
    found = count(put(workspace, nasty * 20))
    assert self_contained(found.html())
    # no such word is ever listed; it would do no harm
    shown = dataclasses.replace(found, fragmented=(Fragmented(nasty, 5, 5),)).html()
    assert self_contained(shown) and "&lt;script&gt;" in shown


@pytest.mark.parametrize("content", ["", "\n \n\u3000\n"])
def test_a_split_without_text_says_so(content, workspace):
    found = count(put(workspace, content))
    assert found.tokens == found.used == found.covering(50) == 0
    assert "There is no text in it." in found.html() and str(found)


def test_a_histogram_is_the_same_from_counts():
    lengths = [1, 1, 1, 7, 7, 30]
    by_line = figures.tokens_per_line(lengths, 510).axes[0].patches
    by_count = figures.tokens_per_line([1, 7, 30], 510, [3, 2, 1]).axes[0].patches
    assert [*map(str, by_line)] == [*map(str, by_count)]


def test_bars_are_the_shares_of_words():
    axes = figures.tokens_per_word([(1, 5), (3, 3), (8, 1), (20, 1)]).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0, 0.3, 0, 0, 0, 0, 0.2]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert (names[0], names[-1]) == ("1", "8 +")


def test_the_view_shows_each_split_that_is_there(workspace):
    put(put(workspace, PAGE), "held out\n" * 3, "test")
    view = CorpusView(workspace)
    assert view.split.options == ("train", "test")
    assert "eigenvectors" in view.view.value and kept(workspace, "train")
    view.split.value = "test"
    assert view.tokens.split == "test" and view.tokens.tokens == 6
    assert "eigenvectors" not in view.view.value and kept(workspace, "test")
    bundle = view._repr_mimebundle_()
    assert bundle["text/html"].endswith(view.html()) and self_contained(view.html())
    assert bundle["text/plain"] == str(view.tokens)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert {"course-panel", "course-corpus"} <= {*view._dom_classes}


def test_the_view_says_what_to_do_first(workspace):
    view = CorpusView(workspace)
    assert view.split.disabled and view.tokens is None
    assert "Run the notebook 01_split first" in view.html()
    assert "no split" in view.plain()


def test_the_view_says_what_is_wrong_with_a_split(workspace):
    put(put(workspace, PAGE), "", "valid").raw("valid").write_bytes(b"\xff\n")
    view = CorpusView(workspace)
    view.split.value = "valid"
    assert "not UTF-8" in view.html() and "eigenvectors" not in view.html()
