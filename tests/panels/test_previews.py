"""What the panels show before anything is made, against what is made then."""

import html
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from helpers.common import figures
from helpers.common.errors import CourseError
from helpers.panels.settings import previews
from helpers.panels.settings.previews import of_base, of_convert, of_evaluate, of_finetune, of_split
from helpers.stages.road import ROAD
from helpers.tokens import gpt2
from helpers.workflow.settings import BaseSettings, ConvertSettings, EvaluateSettings, SplitSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers, road
from tests.support.awkward import CHINESE, SHARED, TEXTS
from tests.support.hands import SCRIPT, all_html, move, panel_of
from tests.support.small import SHORT

LONG = "A sentence that is not short. " * 9


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple]:
    """The numbers in the pictures by the name of the figure; nothing is painted."""
    found: dict[str, tuple] = {}

    def watched(name: str) -> Callable:
        def draw(*numbers: object) -> SimpleNamespace:
            found[name] = numbers
            return SimpleNamespace(html=lambda: f"<img alt='{name}'>")

        return draw

    for name in ("documents_per_split", "tokens_per_line", "learning_rate"):
        monkeypatch.setattr(previews, name, watched(name))
    return found


def wrapped(shown: str) -> int:
    return int(re.search(r"([\d,]+) of [\d,]+ lines will be wrapped", shown)[1].replace(",", ""))


# Split

CHAPTERS = "".join(f"第{i}章\n\n{CHINESE}\n{i}\n" for i in range(9))
CORPORA = st.lists(
    st.sampled_from([*TEXTS.values(), LONG, f"{LONG}\n\n{LONG}\n", CHINESE * 3, CHAPTERS]).map(
        lambda text: text.replace("\0", "")
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=20, suppress_health_check=SHARED)
@given(
    texts=CORPORA,
    unit=st.sampled_from(["blank-line", "file", "line", "chapter"]),
    limit=st.sampled_from([0, 16, 60, 510]),
    deduplicate=st.booleans(),
    shares=st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5, 0), (1, 0, 0)]),
)
@example(
    texts=[f"{LONG}\n\n{LONG}\n\nb"], unit="line", limit=16, deduplicate=True, shares=(1, 0, 0)
)
def test_a_split_is_as_it_was_shown(
    texts, unit, limit, deduplicate, shares, drawn, tmp_path_factory
):
    workspace = Workspace(tmp_path_factory.mktemp("shown"))
    workspace.texts.mkdir()
    for number, text in enumerate(texts):
        (workspace.texts / f"{number}.txt").write_bytes(text.encode())
    values = dict(zip(SplitSettings.SHARES, shares, strict=True))
    wanted = SplitSettings(unit=unit, max_line_tokens=limit, deduplicate=deduplicate, **values)
    try:
        report = ROAD.run("split", workspace, wanted)
    except CourseError:
        with pytest.raises(CourseError):
            of_split(workspace, wanted)
        assume(False)
    shown = of_split(workspace, wanted)
    if deduplicate:
        assert tuple(*drawn["documents_per_split"]) == report.documents
    if limit:
        assert wrapped(shown) == report.wrapped
        assert ("The longest lines" in shown) == (report.wrapped > 0)


def test_without_a_limit_the_picture_shows_the_models(with_texts, drawn):
    shown = of_split(with_texts(a=LONG * 30), SplitSettings(train=1, valid=0, test=0))
    assert drawn["tokens_per_line"][1] == 510
    assert wrapped(shown) == 1
    settings = SplitSettings(train=1, valid=0, test=0, max_line_tokens=0)
    assert "wrapped" not in of_split(with_texts(), settings)
    assert drawn["tokens_per_line"][1] == 510


def test_moving_a_share_changes_the_picture(with_texts):
    panel = panel_of("split", with_texts(a=road.text("apple")))
    before = panel.preview.value
    move(panel, "train", 0.5)
    assert panel.preview.value.count("src='data:image/png;base64,") == 2
    assert panel.preview.value != before
    assert panel.preview.value in panel._repr_mimebundle_()["text/html"]


# Finetune


@pytest.fixture(scope="module")
def fairseqs() -> Callable[[FinetuneSettings], Callable[[int], float]]:
    """fairseq's own schedule, with what the course hands over to it: update → rate."""
    from fairseq.optim import FairseqOptimizer
    from fairseq.optim.lr_scheduler import polynomial_decay_schedule as module

    class Held(FairseqOptimizer):
        def set_lr(self, rate: float) -> None:
            self.rate = rate

        def get_lr(self) -> float:
            return self.rate

    def schedule(settings: FinetuneSettings) -> Callable[[int], float]:
        cfg = module.PolynomialDecayLRScheduleConfig(
            warmup_updates=round(settings.warmup_share * settings.max_update),
            total_num_update=settings.max_update,
            lr=[settings.lr],
        )
        return module.PolynomialDecayLRSchedule(cfg, Held(None)).step_update

    return schedule


@pytest.mark.parametrize(
    ("first", "last", "warmup"),
    [
        *((0, last, warmup) for last in (1, 2, 7, 50, 500) for warmup in (0, 0.06, 0.5, 0.99)),
        *((400, 500, warmup) for warmup in (0, 0.06, 0.8, 0.95, 0.999)),
    ],
)
def test_the_rates_are_fairseqs(first, last, warmup, workspace, drawn, fairseqs, monkeypatch):
    monkeypatch.setattr(previews, "updates_before", lambda workspace, settings: first)
    wanted = FinetuneSettings(max_update=last, warmup_share=warmup, lr=3e-4)
    assert of_finetune(workspace, wanted) == "<img alt='learning_rate'>"
    (corners,) = drawn["learning_rate"]
    updates = range(first, last + 1)
    shown = np.interp(updates, *zip(*corners, strict=True))
    assert (corners[0][0], corners[-1][0]) == (first, last)
    assert shown == pytest.approx([*map(fairseqs(wanted), updates)], abs=1e-12)


def test_the_picture_of_the_rates_holds_them():
    picture = figures.learning_rate([(0, 0.0), (30, 1e-3), (500, 0.0)])
    (line,) = picture.axes[0].lines
    assert line.get_xydata().tolist() == [[0, 0], [30, 1e-3], [500, 0]]
    assert picture.html().startswith(
        "<img class='course-figure' src='data:image/png;base64,iVBORw0KGgo"
    )
    assert "alt='The learning rate of each update'" in picture.html()


def test_the_plan_is_shown_where_base_and_data_are_there(small: Workspace, workspace: Workspace):
    assert "updates of a pass" not in of_finetune(workspace, SHORT)
    shown = of_finetune(small, SHORT.model_copy(update={"seed": 2}))
    assert "<img" in shown
    assert "updates of a pass" in shown
    assert "Validation hides 24 tokens only" in shown


def test_to_continue_needs_a_base_and_is_said_so(workspace: Workspace):
    panel = panel_of("finetune", workspace)
    move(panel, "start", "continue")
    assert "There is no file" in panel.message.value
    assert panel.preview.value == ""
    move(panel, "start", "weights")
    assert panel.message.value == ""
    assert "<img" in panel.preview.value


# Evaluate


@pytest.fixture
def split(workspace: Workspace) -> Workspace:
    road.begin(workspace)
    (workspace.texts / "c.txt").write_text(f"{SCRIPT} & 你好\n\n" * 3 + road.text(SCRIPT))
    road.do(workspace, "split", train=0.1, valid=0.1, test=0.8)
    return workspace


def marks(shown: str) -> list[str]:
    return re.findall("<mark>(.*?)</mark>", shown)


def test_hidden_tokens_are_marked_in_the_held_out_text(split: Workspace):
    few, many = (of_evaluate(split, EvaluateSettings(mask_share=s)) for s in (0.01, 0.9))
    assert len(marks(few)) == 1
    assert len(marks(many)) > 20
    assert marks(many).count("&lt;mask&gt;") > 0.6 * len(marks(many))
    assert "is a short document." in html.unescape(few)
    assert few != of_evaluate(split, EvaluateSettings(mask_share=0.01, seed=9))
    for shown in (few, many):
        assert "<script" not in shown
        assert "�" not in shown


def test_between_the_marks_characters_are_whole(split: Workspace):
    line = "今天天气很好，我们去公园散步，然后回家吃饭。"
    split.raw("test").write_text(f"{line}\n{line}\n", "utf-8")
    shown = of_evaluate(split, EvaluateSettings(mask_share=0.01))
    [mark] = marks(shown)
    first, second = re.sub("^.*</b></div><div>|</div></div>$", "", shown).split("<br>")[:2]
    assert (first == line) != (second == line)  # one of them has the mark
    marked = second if first == line else first
    before, after = marked.split(f"<mark>{mark}</mark>")
    assert line.startswith(before.split("⟨")[0]) and line.endswith(after.split("⟩")[-1])
    assert marked.count("⟨") <= 3


def test_what_is_held_out_and_cannot_be_shown_is_left_out(split: Workspace):
    panel = panel_of("evaluate", split)
    assert marks(panel.preview.value)
    for content in (b"", b"\n \n", CHINESE.encode("gb18030"), b"word " * 100_000):
        split.raw("test").write_bytes(content)
        move(panel, "seed", str(len(content)))
        assert len(panel.preview.value) < 300_000
        assert bool(marks(panel.preview.value)) == content.startswith(b"word")
    split.raw("test").unlink()
    assert of_evaluate(split, EvaluateSettings()) == ""


# Base and convert


def test_the_files_of_a_base_model_are_listed(tmp_path: Path, workspace: Workspace):
    folder = tmp_path / "<script> 我的"
    folder.mkdir()
    checkpoint_makers.put(checkpoint_makers.current(checkpoint_makers.tensors()), folder)
    (folder / "dict.txt").write_text("dict.txt")
    for source in (folder, folder / "model.pt"):
        shown = of_base(workspace, BaseSettings(source=str(source)))
        assert "model.pt" in shown and "dict.txt" in shown
        assert "&lt;script&gt; 我的" in shown and "<script" not in shown
    for source in ("course", "scratch"):
        assert of_base(workspace, BaseSettings(source=source)) == ""


def test_a_look_at_a_model_downloads_nothing(tmp_path: Path, workspace, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(gpt2, "FOLDER", tmp_path / "gpt2")
    monkeypatch.setattr(gpt2, "download", asked.append)
    (tmp_path / "model.pt").write_text("alone")
    panel = panel_of("base", workspace, source=str(tmp_path / "model.pt"))
    assert "dict.txt" in all_html(panel)
    assert asked == []


def test_the_checkpoint_that_will_be_converted_is_shown(workspace: Workspace):
    assert of_convert(workspace, ConvertSettings()) == ""
    state = checkpoint_makers.current(checkpoint_makers.tensors())
    model = checkpoint_makers.put(state, workspace.root / "<script>")
    shown = of_convert(workspace, ConvertSettings(roberta_checkpoint_path="<script>"))
    assert "&lt;script&gt;/model.pt" in shown and "<script" not in shown
    model.write_bytes(model.read_bytes()[:999])
    with pytest.raises(CourseError, match="damaged"):
        of_convert(workspace, ConvertSettings(roberta_checkpoint_path="<script>"))
