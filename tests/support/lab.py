"""A real JupyterLab in a real browser: started, driven, and read."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from helpers.common.files import PROJECT

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
TOKEN = "course"
MINUTE = 60_000  # milliseconds, as the browser counts
SIZE = {"width": 1280, "height": 1000}
expect.set_options(timeout=MINUTE)  # slow machines are no failures

# Texts in the page whose contrast with what is behind them is too low to read (WCAG: 4.5).
LOW_CONTRAST = """
(root) => {
  const rgb = (c) => (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0.5) return c;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, text = walk.currentNode.data.trim();
    const jupyters = ".cm-editor, .jp-InputPrompt, .jp-OutputPrompt, button:disabled";
    if (!text || !e.checkVisibility() || e.closest(`script, style, ${jupyters}`)) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.add(`${ratio.toFixed(1)}: ${text.slice(0, 60)}`);
  }
  return [...found];
}
"""
# Run the first cell that has a code, and say whether there is one.
RUN_CELL = """
async (code) => {
  const notebook = jupyterapp.shell.currentWidget.content;
  const found = notebook.widgets.findIndex(
    ({ model }) => model.type === "code" && model.sharedModel.getSource().includes(code));
  notebook.activeCellIndex = found;
  notebook.deselectAll();
  if (found >= 0) await jupyterapp.commands.execute("notebook:run-cell");
  return found >= 0;
}
"""
EXECUTE = """
(code) => jupyterapp.shell.currentWidget.sessionContext.session.kernel
  .requestExecute({ code }).done
"""


@contextlib.contextmanager
def lab(home: Path, parameters: Mapping[str, int]) -> Iterator[str]:
    """JupyterLab as ``make lab`` starts it, on the project's files copied to ``home``: its URL.

    Args:
        parameters: what the notebooks have instead of their defaults.
    """
    for name in ("notebooks", "jupyter", "docs"):
        shutil.copytree(PROJECT / name, home / name)
    for file in (home / "notebooks").glob("*.ipynb"):
        text = file.read_text("utf-8")
        for name, value in parameters.items():
            text = re.sub(rf'"{name} = \d+  #', f'"{name} = {value}  #', text)
        file.write_text(text, "utf-8")
    for name in ("GLOSSARY.md", "README.md"):
        shutil.copy(PROJECT / name, home)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: str(home / f".{name}") for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    own |= {"ROBERTA_COURSE_HOME": str(home), "JUPYTER_CONFIG_PATH": str(home / "jupyter")}
    arguments = [f"--port={port}", f"--notebook-dir={home}", f"--IdentityProvider.token={TOKEN}"]
    arguments += ["--no-browser", "--allow-root"]
    with (home / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", *arguments],
            env=os.environ | own | {"PYTHONPATH": str(PROJECT)},
            stdout=log,
            stderr=log,
        )
    try:
        yield _url(home / ".JUPYTER_RUNTIME_DIR", server)
    finally:
        server.terminate()
        server.wait(30)


def _url(runtime: Path, server: subprocess.Popen) -> str:
    """Where it answers: it takes another port where the one that it was told has been taken."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(240):
        with contextlib.suppress(OSError, ValueError, StopIteration):
            told = json.loads(next(runtime.glob("jpserver-*.json")).read_text("utf-8"))
            url = f"http://127.0.0.1:{told['port']}"
            opener.open(f"{url}/api?token={TOKEN}", timeout=5).close()
            return url
        assert server.poll() is None, "JupyterLab stopped"
        time.sleep(0.5)
    raise AssertionError("JupyterLab does not answer")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Opened:
    """A notebook in a tab of the browser. ``complaints`` are what the console said went wrong."""

    def __init__(self, browser: Browser, url: str, name: str) -> None:
        self.page: Page = browser.new_page(viewport=SIZE, locale="en-US")
        self.page.set_default_timeout(2 * MINUTE)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type == "error" else None,
        )
        self.page.goto(f"{url}/lab/tree/notebooks/{name}.ipynb?token={TOKEN}&reset")
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=2 * MINUTE)
        self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.ready")
        self._settled()

    def run_all(self) -> None:
        self.page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")

    def errors(self) -> list[str]:
        """The outputs that are errors, and panels that did not come to life."""
        wrong = '[data-mime-type="application/vnd.jupyter.error"], [data-mime-type*="stderr"]'
        return [
            *self.page.locator(wrong).all_inner_texts(),
            *self.page.get_by_text("Error displaying widget").all_inner_texts(),
        ]

    def panel(self, command: str) -> Locator:
        return self.page.locator(f".course-{command}")

    def run(self, code: str) -> None:
        """Run the first cell with this code, and wait for its end."""
        assert self.page.evaluate(RUN_CELL, code), f"there is no cell with {code}"

    def run_to(self, code: str) -> None:
        """Run the cells down to the first one in which this is what a name is given."""
        cell = "jupyterapp.shell.currentWidget.content.activeCell"
        for _ in range(40):
            text = self.page.evaluate(f"{cell}.model.sharedModel.getSource()")
            self.page.evaluate("jupyterapp.commands.execute('notebook:run-cell-and-select-next')")
            if f"= {code}" in text:
                return
        raise AssertionError("there is no such cell")

    def begin(self, code: str) -> None:
        """Run the first cell with this code, and do not wait."""
        self.page.evaluate(f"(code) => {{ ({RUN_CELL})(code); }}", code)

    def execute(self, code: str) -> None:
        """Run code in the kernel, as a cell that is written for the moment."""
        self.page.evaluate(EXECUTE, code)

    def do(self, command: str) -> str:
        """Run the cell below a panel, which does its step; what is said below it then."""
        code = f'ROAD.run("{command}"'
        self.run(code)
        return self.below(code).inner_text()

    def below(self, code: str) -> Locator:
        """What stands below the first cell with this code."""
        cell = self.page.locator(".jp-CodeCell").filter(has_text=code).first
        return cell.locator(".jp-Cell-outputArea")

    def field(self, command: str, label: str) -> Locator:
        return self.panel(command).get_by_label(label, exact=True)

    def fill(self, command: str, label: str, text: str) -> None:
        self.field(command, label).fill(text)
        self.page.keyboard.press("Tab")

    def choose(self, command: str, label: str, option: str) -> None:
        self.field(command, label).select_option(option)

    def slide(self, command: str, label: str, key: str, times: int) -> None:
        """Move a slider with the keyboard."""
        row = self.panel(command).locator(".widget-slider").filter(has_text=label)
        handle = row.get_by_role("slider")
        handle.focus()
        for _ in range(times):
            handle.press(key)

    def send(self, command: str, button: str, file: Path) -> None:
        """Choose a file of this computer for an upload button."""
        with self.page.expect_file_chooser() as chooser:
            self.panel(command).get_by_role("button", name=button).click()
        chooser.value.set_files(file)

    def interrupt(self) -> None:
        """Press ■ in the toolbar."""
        self.page.get_by_role("button", name="Interrupt the kernel").click()

    def restart(self) -> None:
        """Restart the kernel, without being asked whether that is meant; go to the first cell."""
        self.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        self.page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 0")

    def theme(self, name: str) -> None:
        change = "(theme) => jupyterapp.commands.execute('apputils:change-theme', {theme})"
        self.page.evaluate(change, f"JupyterLab {name}")
        at_work = f"body[data-jp-theme-name='JupyterLab {name}']"
        self.page.wait_for_selector(at_work, state="attached")
        self._settled()

    def _settled(self) -> None:
        """What JupyterLab shows while it loads is gone; shown twice at once, it is an error."""
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def too_faint(self) -> list[str]:
        """Texts of the notebook that cannot be read well on what is behind them."""
        return self.page.locator(".jp-Notebook").first.evaluate(LOW_CONTRAST)

    def too_wide(self) -> list[str]:
        """Panels and outputs that are wider than the page, and names of settings that are cut."""
        places = ".course-panel, .course-panel .widget-label, .jp-OutputArea-output > *"
        return self.page.locator(places).evaluate_all(
            "(all) => all.filter((e) => e.scrollWidth > e.clientWidth + 2 && e.clientWidth > 0)"
            ".map((e) => `${e.scrollWidth} > ${e.clientWidth}: ${e.innerText.slice(0, 60)}`)"
        )
