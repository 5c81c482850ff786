"""Regular expressions that people type: each gives tokens or a sentence, none stops the kernel."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.common.errors import CourseError
from helpers.explorer import pattern_search as module
from helpers.explorer.merges import search_tokens
from helpers.explorer.pattern_search import matching

ENDLESS = {
    "backtracking": "(?:-|--)+[^-]",
    "back references": r"(.*)(.*)(.*)(.*)\4\3\2\1\1\1.$",
    "recursion": "(?R)",
    "recursion that grows": r"(?<x>a?(?&x)?)*b",
    "fuzzy": "(?:abcdefghijklmnop){e<=12}",
    "repeats of repeats": "(?:a{1000}){1000}" * 50,
    "a very long class": "[" + "".join(map(chr, range(0x100, 0xD000))) + "]" + "a?" * 50_000,
    "too deep": "(?:" * 5000 + "a" + ")*" * 5000,
    "brackets": "(" * 5000,
}


@pytest.mark.parametrize("case", ENDLESS)
def test_what_takes_too_much_is_stopped_and_said_shortly(case: str) -> None:
    with pytest.raises(CourseError, match="takes too long, or too much memory") as caught:
        search_tokens(ENDLESS[case], regex=True)
    assert len(caught.value.message) < 300 and caught.value.hint


LARGE = {
    "alternatives": "|".join(map(str, range(16_384))),
    "repeats": "(?:(?:(?:a{0,9999}){0,9999}){0,9999}){0,9999}",
    "nested": "((((((((((a*)*)*)*)*)*)*)*)*)*)*b",
    "look behind": "(?<=" + "a|" * 5000 + "b)x",
}


@pytest.mark.parametrize("case", LARGE)
def test_what_is_only_large_is_found_or_stopped(case: str) -> None:
    try:
        assert search_tokens(LARGE[case], regex=True)
    except CourseError as error:
        assert "takes too long" in error.message


NONE = ["(", "*", "a**", "[b-a]", "\\", r"\p{Nope}", r"\N{foo}", "(?P=x)", "(?a)(?u)x"]
NONE += [r"\L<words>", "a{99999999999999999999}", "a{2,1}", "(?&x)", "(?<1>a)"]


@pytest.mark.parametrize("pattern", NONE)
def test_what_is_none_is_named(pattern: str) -> None:
    with pytest.raises(CourseError, match="is not a regular expression: "):
        search_tokens(pattern, regex=True)


def test_a_search_that_is_ended_while_it_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    search = "import os, sys; sys.stdin.read(); print('[1, 2', flush=True); os._exit(1)"
    monkeypatch.setattr(module, "_SEARCH", search)
    with pytest.raises(CourseError, match="takes too long, or too much memory"):
        matching("half an answer", ("a",))


def test_a_search_that_stands_still_is_ended_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SEARCH", "import time; time.sleep(1000)")
    monkeypatch.setattr(module, "WAITING", 0.1)
    with pytest.raises(CourseError, match="takes too long"):
        matching("still", ("a",))


def test_nothing_is_imported_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "regex.py").write_text("open('it ran', 'w')")
    (tmp_path / "json.py").write_text("open('it ran', 'w')")
    monkeypatch.chdir(tmp_path)
    assert matching("^here$", ("here", "there")) == [0]
    assert not (tmp_path / "it ran").exists()


@given(pattern=st.text(st.sampled_from("ab(|)[]{},1+*?^$.\\pLwd<=!:-éR&"), max_size=12))
@settings(max_examples=30)
def test_any_pattern_gives_tokens_or_an_error_for_people(pattern: str) -> None:
    try:
        matching(pattern, ("a", " abba", "é", "-" * 60))
    except CourseError as error:
        assert error.hint
