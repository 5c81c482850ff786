"""Panels for those who use a keyboard, a screen reader or the dark theme; values into the cell."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from helpers.workflow.workspace import Workspace
from tests.support.lab import CHROMIUM, Opened, lab

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt install chromium)")
# Rows of a table's box that are seen in part only.
CUT_ROWS = """
(part) => {
  const end = part.getBoundingClientRect().top + part.clientHeight;
  const rows = [...part.querySelectorAll("tr")].map((row) => row.getBoundingClientRect());
  return rows.filter((row) => row.top < end - 1 && row.bottom > end + 1).map((row) => row.top);
}
"""


@pytest.fixture(scope="module")
def url(small: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home_of_lab = tmp_path_factory.mktemp("lab") / "home 家"
    shutil.copytree(small.root, home_of_lab / "runs" / "sample")
    with lab(home_of_lab, {}) as found:
        yield found


def opened(browser: Browser, url: str, name: str) -> Opened:
    """A notebook that was run down to its first panel."""
    notebook = Opened(browser, url, name)
    notebook.run_to("SettingsPanel(")
    expect(notebook.page.locator(".course-panel").first).to_be_visible()
    return notebook


def parameters(notebook: Opened) -> str:
    """What stands in the notebook's cell of that name."""
    return notebook.page.evaluate(
        "jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model)"
        ".find((model) => model.getMetadata('tags')?.includes('parameters'))"
        ".sharedModel.getSource()"
    )


def test_a_rate_is_typed_and_written_into_the_cell(browser: Browser, url: str) -> None:
    notebook = opened(browser, url, "04_finetune")
    panel = notebook.panel("finetune")
    expect(panel).to_contain_text("Workspace: runs/sample.")
    keep = panel.get_by_role("button", name="Write it there")
    expect(keep).to_be_hidden()
    notebook.fill("finetune", "lr", "3e-4")
    expect(panel.locator("pre")).to_have_text("lr = 0.0003")
    notebook.slide("finetune", "dropout", "ArrowRight", 10)
    expect(panel.locator("pre")).to_contain_text("dropout = 0.1")
    expect(notebook.field("finetune", "dropout")).to_have_value("0.1")
    keep.click()
    expect(panel).to_contain_text("The cell parameters has these values now.")
    assert "\nlr = 0.0003  # the highest learning rate" in parameters(notebook)
    assert "\ndropout = 0.1  # share" in parameters(notebook)
    expect(keep).to_be_hidden()
    notebook.fill("finetune", "lr", "fast")
    expect(panel).to_contain_text("it must be a number")
    for theme in ("Dark", "Light"):
        notebook.theme(theme)
        assert notebook.too_faint() == []
        assert notebook.too_wide() == []
    panel.get_by_text("Workspace: runs/sample.").click()
    notebook.page.evaluate("jupyterapp.commands.execute('notebook:create-output-view')")
    expect(panel).to_have_count(2)  # it stands there twice, the second time without the cell
    notebook.field("finetune", "lr").first.fill("2e-4")
    notebook.page.keyboard.press("Tab")
    keep.first.click()
    expect(panel.first).to_contain_text("The cell parameters has these values now.")
    notebook.page.wait_for_timeout(2000)  # an answer that comes later does not count
    expect(panel.first).not_to_contain_text("⚠")
    assert "\nlr = 0.0002  # the highest" in parameters(notebook)
    assert notebook.complaints == []
    notebook.page.close()


def test_everything_has_a_name(browser: Browser, url: str) -> None:
    notebook = opened(browser, url, "01_split")
    panel = notebook.panel("split")
    sliders = panel.get_by_role("slider")
    expect(sliders).to_have_count(3)
    for name in ("train", "valid", "test"):
        assert panel.get_by_role("slider", name=name).count() == 1
        assert panel.get_by_role("textbox", name=name, exact=True).count() == 1
    assert all(image.get_attribute("alt") for image in panel.locator("img").all())
    arrow = "(list) => getComputedStyle(list).backgroundImage"
    for theme, is_white in (("Dark", True), ("Light", False)):
        notebook.theme(theme)
        assert ("white" in panel.locator("select").first.evaluate(arrow)) == is_white
        figure = panel.locator("img.course-figure").first
        turned = figure.evaluate("(image) => getComputedStyle(image).filter")
        assert ("invert" in turned) == is_white
    assert notebook.complaints == []
    notebook.page.close()


@pytest.mark.parametrize(
    "width", [900, *(pytest.param(width, marks=pytest.mark.long) for width in (1100, 1400))]
)
def test_side_by_side_nothing_is_cut_off(browser: Browser, url: str, width: int) -> None:
    notebook = Opened(browser, url, "tokenization_explorer")
    notebook.page.set_viewport_size({"width": width, "height": 1000})
    notebook.run_to("SideBySide(")
    panel = notebook.panel("side-by-side")
    expect(panel.locator("table")).to_have_count(2)
    notebook.field("side-by-side", "One text").fill("The weather is fine. " * 9)
    expect(panel.locator("table").first).to_contain_text("40")
    assert notebook.too_wide() == []
    for part in (
        panel.locator(".course-token-view > div > div")
        .filter(has=notebook.page.locator("table"))
        .all()
    ):
        assert part.evaluate("(part) => part.scrollWidth <= part.clientWidth + 1")
        assert part.evaluate(CUT_ROWS) == []
    notebook.page.close()
