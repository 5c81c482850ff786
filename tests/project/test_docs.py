"""Words for people: links lead somewhere, both languages say the same, and what is named exists."""

import ast
import contextlib
import functools
import io
import re
from pathlib import Path

import pytest

from helpers import __main__ as cli
from helpers.common.files import PROJECT
from tests.project.pages import (
    ENGLISH,
    PAGES,
    Block,
    blocks,
    broken,
    headings,
    is_elsewhere,
    links,
    name,
    prose,
    tables,
    twin,
    without_words,
    words,
)
from tests.project.test_layers import LAYERS

BOTH = [page for english in ENGLISH for page in (english, twin(english))]
README, README_ZH = PROJECT / "README.md", PROJECT / "README.zh.md"
BUILT = PROJECT / "docs" / "how-it-is-built.md"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


PAGE = """# Dogs & cats: 猫，狗？
[a](#dogs--cats-猫狗) [b](#again-1) ![c](cat.png) [d](other.md#two) [e](https://example.org/x)

```bash
# No heading [f](nothing.md)
```

## Again
## Again
`[g](nothing.md)`
"""


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("", []),
        ("[h](nothing.md)", ["nothing.md"]),
        ("![h](<nothing.png>)", ["nothing.png"]),
        ("[h][1]\n\n[1]: nothing.md", ["nothing.md"]),
        ("[h](#no-heading-nothingmd)", ["#no-heading-nothingmd"]),
        ("[h](#again-2)", ["#again-2"]),
        ("[h](#猫狗)", ["#猫狗"]),
        ("[h](other.md#Two)", ["other.md#Two"]),
        ("[h](other.md#three)", ["other.md#three"]),
    ],
)
def test_a_broken_link_would_be_found(more: str, found: list[str], tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# One\n\n## Two\n", "utf-8")
    (tmp_path / "cat.png").touch()
    page = tmp_path / "page.md"
    page.write_text(f"{PAGE}\n{more}\n", "utf-8")
    assert broken(page) == found


def test_every_page_has_its_twin() -> None:
    folders = [PROJECT / "docs", PROJECT / "gpt2_bpe"]
    found = {page for page in PAGES if page.parent in folders}
    assert found | {README, README_ZH} == set(BOTH)


def differences(english: str, chinese: str) -> list[str]:
    """What the two languages of a page do not have in common, by name."""
    parts = {
        "headings": lambda text: [heading.level for heading in headings(text)],
        "code": lambda text: [(block.kind, without_words(block)) for block in blocks(text)],
        "tables": tables,
        "rows of sections": lambda text: [s.count("\n|") for s in text.split("\n## ")],
        "items of lists": lambda text: len(re.findall(r"^ *- ", prose(text), re.MULTILINE)),
        "pictures": lambda text: re.findall(r"!\[[^]]*\]\((\S+)\)", prose(text)),
        "options": lambda text: set(re.findall(r"--[a-z][\w-]*", text)),
        "links": lambda text: set(filter(is_elsewhere, links(text))),
    }
    return [what for what, part in parts.items() if part(english) != part(chinese)]


@pytest.mark.parametrize("page", ENGLISH, ids=name)
def test_both_languages_have_the_same_parts(page: Path) -> None:
    assert differences(words(page), words(twin(page))) == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("## Last", "headings"),
        ("```bash\nls\n```", "code"),
        ("| a | b | c |", "tables"),
        ("| a | b |", "rows of sections"),
        ("- one more", "items of lists"),
        ("![a](b.png)", "pictures"),
        ("`--force`", "options"),
        ("[a](https://example.org)", "links"),
    ],
)
def test_what_one_language_lacks_would_be_found(line: str, what: str) -> None:
    page = "# A\n\n```bash\nls   # files\n```\n\n| a | b |\n|---|---|\n"
    assert differences(page, page.replace("files", "文件")) == []
    assert what in differences(page + line, page)


@pytest.mark.parametrize("page", ENGLISH, ids=name)
def test_both_languages_link_to_the_same_places(page: Path) -> None:
    """Each in its own language; the Chinese page has links into the glossary besides."""
    english, chinese = places(page), places(twin(page))
    assert {in_chinese(place) for place in english} <= chinese
    more = chinese - {in_chinese(place) for place in english}
    assert not [place for place in more if place[0] != PROJECT / "GLOSSARY.md"]


Place = tuple[Path, int | None]  # a file, and which of its headings


def places(page: Path) -> set[Place]:
    """Where the links of a page lead, without those to the other language and to other sites."""
    other = {page.name.replace(".zh.md", ".md"), page.name.replace(".md", ".zh.md")}
    found = set()
    for target in links(words(page)):
        if is_elsewhere(target) or target in other:
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        anchors = [heading.anchor for heading in headings(words(there))] if anchor else []
        found.add((there, anchors.index(anchor) if anchor else None))
    return found


def in_chinese(place: Place) -> Place:
    there, number = place
    return (twin(there) if there in ENGLISH else there), number


@pytest.mark.parametrize(("page", "most"), [(README, 150), (README_ZH, 160)])
def test_the_readme_is_short(page: Path, most: int) -> None:
    """Chinese lines are broken at punctuation only, so that there are more of them."""
    assert len(words(page).splitlines()) <= most


@pytest.mark.parametrize("page", [twin(page) for page in ENGLISH], ids=name)
def test_bold_in_chinese_ends_before_the_punctuation(page: Path) -> None:
    """Markdown does not close ``**今天：**这个``, and shows the stars."""
    assert not re.findall(r"\*\*[^*\n]+[，。、：；？！）]\*\*(?=\w)", prose(words(page)))


def rows(text: str) -> set[str]:
    """The rows of its tables, without the targets of links, which depend on the folder."""
    return {re.sub(r"\]\([^)]*\)", "]", row) for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)}


def test_the_questions_of_the_readme_stand_on_the_page_of_questions() -> None:
    for readme, questions in ((README, "questions.md"), (README_ZH, "questions.zh.md")):
        first = rows(re.split(r"^## ", words(readme), flags=re.MULTILINE)[5])
        assert len(first) > 5
        assert first <= rows(words(PROJECT / "docs" / questions))


@functools.cache
def options(command: str) -> set[str]:
    """What ``python -m helpers COMMAND`` takes, as its help says."""
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit):
        cli.main([command, "--help"])
    found = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", said.getvalue()))
    assert found, f"there is no command {command}"
    return found


def typed(block: Block) -> list[list[str]]:
    """The commands of this project in a block, as words."""
    code = block.code.replace("\\\n", " ")
    return [re.findall(r"[\w.-]+", line) for line in re.findall(r"-m helpers (.*)", code)]


@pytest.mark.parametrize("page", BOTH, ids=name)
def test_every_command_and_option_that_is_named_exists(page: Path) -> None:
    for block in blocks(words(page)):
        for command, *others in typed(block):
            assert {word for word in others if word.startswith("-")} <= options(command)


@pytest.mark.parametrize("page", [*BOTH, PROJECT / "GLOSSARY.md"], ids=name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    """Those of the project; what the course makes is in no clone of it."""
    named = re.findall(r"`((?:helpers|tests|docs|notebooks|jupyter)/[\w./-]*)`", words(page))
    assert not [file for file in named if not (PROJECT / file).exists()]


def test_every_target_of_make_that_is_named_exists() -> None:
    known = re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for page in BOTH:
        named = re.findall(r"(?:`|^)make ([a-z-]+)", words(page), re.MULTILINE)
        assert set(named) <= set(known), name(page)


def test_the_folders_are_listed_as_the_package_itself_lists_them() -> None:
    docstring = ast.get_docstring(
        ast.parse((PROJECT / "helpers" / "__init__.py").read_text("utf-8"))
    )
    listed = [line for line in docstring.splitlines() if re.match(r"\w+  +\w", line)]
    assert len(listed) > 9
    for page in (BUILT, twin(BUILT)):
        assert "\n".join(listed) in words(page)


def test_the_readme_has_the_folders_in_the_order_in_which_they_import() -> None:
    tops = dict.fromkeys(re.split(r"[./]", layer.removeprefix("helpers."))[0] for layer in LAYERS)
    folders = [top for top in tops if top and (PROJECT / "helpers" / top).is_dir()]
    for page in (README, README_ZH):
        assert f"`{' → '.join(folders)}`" in words(page)


@pytest.mark.parametrize("page", [BUILT, twin(BUILT)], ids=name)
def test_the_files_of_each_folder_are_listed(page: Path) -> None:
    """A row for each folder; every module of it is named there, and no other."""
    found_rows = re.findall(r"^\| `(\w+)/` \| (.*) \|$", words(page), re.MULTILINE)
    assert len(found_rows) > 9
    for folder, row in found_rows:
        if folder in ("explorer", "panels"):
            continue
        there = PROJECT / "helpers" / folder
        found = {f.stem for f in there.glob("*.py")} | {f.parent.name for f in there.glob("*/*.py")}
        outside = re.sub(r"（.*?）|\(.*?\)", "", row)
        named = {word.strip("/") for word in re.findall(r"`([\w/]+)`", outside)}
        assert named - {"course"} == found - {"__init__"}, folder
