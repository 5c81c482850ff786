"""Training in the background, in a real JupyterLab: the notebook can be used, and restarted."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from helpers.workflow.workspace import Workspace
from tests.support.lab import CHROMIUM, MINUTE, Opened, chromium, lab

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt install chromium)")
START, SAVED = (
    "Start in the background",
    re.compile(r"Stopped\. ([\d,]+) of 100,000 updates are saved"),
)
LONG = {"max_update": 100_000, "validate_every": 100_000, "max_tokens": 512}


@pytest.fixture
def work(small: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """The default workspace of the lab."""
    root = tmp_path / "home 家" / "runs" / "sample"
    workspace = Workspace(shutil.copytree(small.root, root))
    yield workspace
    if workspace.worker:
        workspace.worker.stop()


def focused(notebook: Opened, text: str) -> None:
    notebook.page.wait_for_function("(t) => document.activeElement.innerText === t", arg=text)


def grows(notebook: Opened, panel: Locator) -> None:
    """The monitor shows how far it is, and a curve that changes; another cell answers meanwhile."""
    expect(panel).to_contain_text("tokens/s", timeout=2 * MINUTE)
    curve = panel.get_by_role("img", name="Loss in bits per hidden token: training")
    expect(curve).to_have_count(1)
    before = curve.get_attribute("src")
    code = "print(shown(finetune_command("
    notebook.run(code)
    expect(notebook.below(code)).to_contain_text("optimization.max_update=100000")
    expect(curve).not_to_have_attribute("src", before)


def stopped(panel: Locator) -> int:
    """How many updates are saved, when it has ended."""
    expect(panel).to_contain_text("updates are saved", timeout=2 * MINUTE)
    expect(panel.get_by_role("button", name=START)).to_be_enabled()
    return int(SAVED.search(panel.text_content())[1].replace(",", ""))


def test_a_training_in_the_background(work: Workspace) -> None:
    with lab(work.root.parent.parent, LONG) as url, chromium() as browser:
        notebook = Opened(browser, url, "04_finetune")
        notebook.run_to("Monitor(")
        panel = notebook.panel("monitor")
        expect(panel.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
        panel.get_by_role("button", name=START).focus()
        notebook.page.keyboard.press("Enter")
        focused(notebook, "Stop")  # the other one cannot be pressed now
        grows(notebook, panel)
        assert "04_finetune.ipynb (in the background) has been working" in panel.inner_text()
        number = work.worker.process
        for theme in ("Dark", "Light"):
            notebook.theme(theme)
            assert notebook.too_faint() == [] and notebook.too_wide() == []
        notebook.restart()
        notebook.run_to("Monitor(")
        expect(panel.get_by_role("button", name=START)).to_be_disabled()
        grows(notebook, panel)
        assert work.worker.process == number
        notebook.begin('ROAD.run("finetune"')
        expect(notebook.below('ROAD.run("finetune"')).to_contain_text("with Stop in that notebook")
        panel.get_by_role("button", name="Stop", exact=True).click()
        elsewhere = notebook.field("finetune", "lr")
        elsewhere.focus()
        saved = stopped(panel)
        assert saved > 0 and work.worker is None
        expect(elsewhere).to_be_focused()  # though the button is disabled that was pressed
        panel.get_by_role("button", name=START).click()
        focused(notebook, "Stop")
        expect(panel).to_contain_text("tokens/s", timeout=2 * MINUTE)
        notebook.page.keyboard.press("Enter")
        assert stopped(panel) > saved
        focused(notebook, START)  # it has lent its place on the page
        assert notebook.complaints == []
