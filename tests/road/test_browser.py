"""Every notebook as a student meets it: in JupyterLab, in a browser, with a hand on its panels."""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from helpers.common.files import PROJECT
from helpers.workflow.workspace import Workspace
from tests.support.lab import CHROMIUM, MINUTE, Opened, lab

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt install chromium)")
TRAIN = 'ROAD.run("finetune"'
CHINESE = "今天天气很好，我们去公园散步。\n\n" + "这一行很长。" * 200 + "\n\n第三篇文档。\n"


@pytest.fixture(scope="module")
def work(course: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The default workspace of the lab, with a finished course in it."""
    home = tmp_path_factory.mktemp("lab") / "my course 课程"
    shutil.copytree(course.root, home / "runs" / "sample")
    return Workspace(home / "runs" / "sample")


@pytest.fixture(scope="module")
def url(work: Workspace, shorter: dict[str, object]) -> Iterator[str]:
    with lab(work.root.parent.parent, shorter) as found:
        yield found


def use_explorer(notebook: Opened, work: Workspace) -> None:
    panel, keyboard = notebook.panel("tokens"), notebook.page.keyboard
    notebook.field("tokens", "Text").fill("王小明 said: <script>alert(1)</script> unbelievable")
    tokens = panel.locator(".course-token-view span[data-t]")
    expect(tokens.filter(has_text="unbel").or_(tokens.filter(has_text="␣un"))).to_have_count(1)
    said = tokens.filter(has_text="␣said")
    said.hover()
    expect(panel.locator("tr.course-marked")).to_contain_text("20 73 61 69 64")
    panel.locator("tr[data-t='0']").hover()
    expect(tokens.first).to_have_class("course-marked")
    said.click()
    expect(panel).to_contain_text("How “␣said” is put together")
    keyboard.press("ArrowLeft")  # to the last piece of 明
    expect(panel.locator("tr.course-marked")).to_contain_text("8E")
    keyboard.press("Enter")
    expect(panel).to_contain_text("How “王小明” is put together")
    notebook.slide("tokens", "merges", "ArrowRight", 2)
    expect(panel).to_contain_text("Merge 2 of")
    epoch_1 = panel.get_by_text("Epoch 1:").inner_text()
    panel.get_by_role("button", name="Next epoch").click()
    expect(panel).to_contain_text("Epoch 2:")
    assert "positions are to be guessed" in epoch_1
    for ending in ("HTML", "CSV"):
        panel.get_by_role("button", name=ending).click()
        expect(panel).to_contain_text(f"Saved as explorer/tokens-1.{ending.lower()}")
    assert "王" in (work.root / "explorer" / "tokens-1.html").read_text("utf-8")
    notebook.fill("spellings", "word", "banana")
    expect(notebook.panel("spellings")).to_contain_text("␣BAN")
    notebook.field("side-by-side", "Another text").fill("zwei")
    expect(notebook.panel("side-by-side")).to_contain_text("zwe")
    notebook.fill("search", "search", " helmet")
    expect(notebook.panel("search")).to_contain_text("Tokens found: 2")
    notebook.choose("corpus", "split", "test")
    expect(notebook.panel("corpus")).to_contain_text("The most fragmented words")
    expect(notebook.panel("corpus").locator("th", has_text="test")).to_be_visible()


def use_evaluate_for_a_moment(notebook: Opened, work: Workspace) -> None:
    notebook.fill("evaluate", "max_lines", "100")
    expect(notebook.panel("evaluate")).to_contain_text("max_lines = 100")
    use_evaluate(notebook, work)


def use_evaluate(notebook: Opened, work: Workspace) -> None:
    marked = notebook.panel("evaluate").locator("mark")
    before = marked.count()
    notebook.slide("evaluate", "mask_share", "ArrowRight", 20)
    expect(notebook.panel("evaluate")).to_contain_text("mask_share = 0.35")
    expect(marked.nth(before * 3 // 2)).to_be_attached()  # as soon as the last step is drawn
    assert "bits a token" in notebook.do("evaluate")
    assert work.record.stages["evaluate"].settings["mask_share"] == 0.35


def use_convert(notebook: Opened, work: Workspace) -> None:
    notebook.run(
        'SettingsPanel("convert"'
    )  # and go there: JupyterLab keeps what is far away hidden
    panel = notebook.panel("convert")
    expect(panel).to_contain_text("checkpoints/checkpoint_best.pt", use_inner_text=True)
    notebook.fill("convert", "roberta_checkpoint_path", "nowhere")
    expect(panel).to_contain_text("There is no model.pt in")
    notebook.fill("convert", "roberta_checkpoint_path", "checkpoints")
    expect(panel).to_contain_text("The best is")  # the list of what lies there
    notebook.fill("convert", "roberta_checkpoint_path", "checkpoints/checkpoint_last.pt")
    expect(panel).to_contain_text("checkpoint_last.pt")
    notebook.fill("convert", "pytorch_dump_folder_path", "elsewhere 别处")
    assert "largest difference of logits" in notebook.do("convert")
    made = work.root.parent.parent / "elsewhere 别处"
    assert json.loads((made / "config.json").read_text())["model_type"] == "roberta"
    notebook.run("OneFilePanel(work, folder)")
    packed = notebook.panel("one-file")
    packed.get_by_role("button", name="Make hf.zip").click()
    with notebook.page.expect_download() as downloaded:
        packed.get_by_role("link", name="Download").click()
    assert "hf/config.json" in zipfile.ZipFile(downloaded.value.path()).namelist()


def use_finetune(notebook: Opened, work: Workspace) -> None:
    panel = notebook.panel("finetune")
    picture = panel.locator("img").get_attribute("src")
    notebook.slide("finetune", "warmup_share", "ArrowRight", 20)
    expect(panel.locator("img")).not_to_have_attribute("src", picture)
    notebook.fill("finetune", "max_update", "0")
    expect(panel).to_contain_text("greater than or equal to 1")
    assert "max_update = '0' is not possible" in notebook.do("finetune")
    notebook.fill("finetune", "max_update", "100000")
    expect(panel).to_contain_text("max_update = 100000")
    notebook.begin(TRAIN)
    below = notebook.below(TRAIN)
    expect(below).to_contain_text("tokens/s", timeout=2 * MINUTE)
    curve = below.get_by_role("img", name="Loss in bits per hidden token: training")
    expect(curve).to_have_count(1)
    before = curve.get_attribute("src")
    expect(curve).not_to_have_attribute("src", before)  # it grows
    notebook.interrupt()
    expect(below).to_contain_text("The training before stays", timeout=MINUTE)
    expect(curve).to_have_count(1)
    notebook.fill("finetune", "max_update", "3")
    expect(panel).to_contain_text("3, 1 of them warm-up")
    assert "The checkpoints of the training before are kept" in notebook.do("finetune")
    assert work.record.stages["finetune"].report["updates"] == 3
    expect(curve).to_have_count(0)  # the next cell has the figure
    expect(notebook.below("learning_curve(report").get_by_role("img")).to_have_count(1)


def use_binarize(notebook: Opened, work: Workspace) -> None:
    notebook.fill("binarize", "workers", "none at all")
    expect(notebook.panel("binarize")).to_contain_text("valid integer")
    notebook.fill("binarize", "workers", "1")
    assert "Nothing to do" in notebook.do("binarize")
    before = work.record.stages["binarize"].finished
    notebook.execute("force = True")
    assert "Nothing to do" not in notebook.do("binarize")
    assert work.record.stages["binarize"].finished != before


def use_encode(notebook: Opened, work: Workspace) -> None:
    notebook.field("tokens", "Text").fill("hello")
    expect(notebook.panel("tokens")).to_contain_text("How “hello” is put together")
    notebook.choose("encode", "engine", "fairseq")
    expect(notebook.panel("encode")).to_contain_text('engine = "fairseq"')
    notebook.choose("encode", "engine", "fast")
    expect(notebook.panel("encode")).not_to_contain_text('engine = "fairseq"')
    encode_again(notebook, work)


def use_fairseqs_encoder(notebook: Opened, work: Workspace) -> None:
    notebook.choose("encode", "engine", "fairseq")
    expect(notebook.panel("encode")).to_contain_text('engine = "fairseq"')
    encode_again(notebook, work)


def encode_again(notebook: Opened, work: Workspace) -> None:
    notebook.execute("force = True")
    before = work.bpe("valid").read_bytes()
    assert "bytes a token" in notebook.do("encode")
    assert work.bpe("valid").read_bytes() == before


def use_split(notebook: Opened, work: Workspace) -> None:
    panel = notebook.panel("split")
    pictures = panel.locator("img")
    before = pictures.first.get_attribute("src")
    notebook.slide("split", "train", "ArrowLeft", 20)
    expect(panel).to_contain_text("train = 0.6\nvalid = 0.2\ntest = 0.2", use_inner_text=True)
    expect(pictures.first).not_to_have_attribute("src", before)
    chinese = work.root / "小说.txt"
    chinese.write_bytes(CHINESE.encode("gb18030"))
    notebook.send("split", "Send files", chinese)
    expect(panel).to_contain_text("in my-texts/ now")
    expect(panel).to_contain_text("is not utf-8: line 1, byte 0 (")
    notebook.fill("split", "encoding", "auto")
    expect(panel).to_contain_text("gb18030")
    expect(panel).to_contain_text("今天天气很好")
    expect(panel).to_contain_text("1 of 3 lines will be wrapped.")
    assert "1 line was wrapped, having more than 510 tokens." in notebook.do("split")
    assert (work.root / "my-texts" / "小说.txt").read_bytes() == chinese.read_bytes()
    assert "第三篇文档" in "".join(work.raw(s).read_text() for s in ("train", "valid", "test"))


def use_setup(notebook: Opened, work: Workspace) -> None:
    notebook.fill("sample", "packages", "json\nemail")
    assert "documents" in notebook.do("sample")
    assert {file.name.split(".")[0] for file in work.texts.iterdir()} == {"json", "email"}
    panel = notebook.panel("base")
    notebook.choose("base", "source", "scratch")
    expect(panel).to_contain_text("It needs fairseq")
    notebook.choose("base", "source", "a Hugging Face folder")
    expect(panel).to_contain_text("the path of the model is missing")
    shutil.copytree(work.hf, work.root / "mine")
    notebook.fill("base", "path", "mine")
    expect(panel).to_contain_text("model.safetensors")
    assert "bits on plain sentences" in notebook.do("base")
    assert work.record.stages["base"].report["source"] == "mine"


# From the last to the first: what is made in one would make the later ones stale.
LONG = pytest.mark.long
SECOND_TIME = (use_evaluate, use_fairseqs_encoder)  # with what was changed there before
USES = [
    pytest.param("tokenization_explorer", use_explorer),
    pytest.param("06_evaluate", use_evaluate_for_a_moment),
    pytest.param("06_evaluate", use_evaluate, marks=LONG),
    pytest.param("05_convert", use_convert),
    pytest.param("04_finetune", use_finetune),
    pytest.param("03_binarize", use_binarize),
    pytest.param("02_bpe", use_encode),
    pytest.param("02_bpe", use_fairseqs_encoder, marks=LONG),
    pytest.param("01_split", use_split),
    pytest.param("00_setup", use_setup),
]


def test_no_notebook_is_forgotten() -> None:
    there = [file.stem for file in (PROJECT / "notebooks").glob("*.ipynb")]
    assert [use.values[0] for use in USES if not use.marks] == sorted(there, reverse=True)


@pytest.mark.parametrize(("name", "use"), USES)
def test_a_notebook_in_the_browser(
    browser: Browser, url: str, work: Workspace, name: str, use: Callable[..., None]
) -> None:
    notebook, before = Opened(browser, url, name), work.record.stages
    notebook.run_all()
    assert notebook.errors() == []
    if use not in SECOND_TIME:
        assert work.record.stages == before  # nothing had to be made again
    assert notebook.too_faint() == []
    assert notebook.too_wide() == []
    use(notebook, work)
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        assert notebook.too_faint() == []
        assert notebook.too_wide() == []
    assert notebook.complaints == []
    notebook.page.close()


def test_a_link_to_the_glossary_opens_a_page(browser: Browser, url: str) -> None:
    notebook = Opened(browser, url, "00_setup")
    notebook.page.get_by_role("link", name="corpus", exact=True).click()
    heading = notebook.page.locator(".jp-MarkdownViewer").get_by_role("heading", name="corpus")
    expect(heading).to_be_visible()
    notebook.page.close()
