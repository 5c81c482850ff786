"""Is everything here that the course needs? One line per item, with the command that mends it."""

import dataclasses
import errno
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.common.fairseq import tool
from helpers.common.foreign_code import refuse_foreign_code
from helpers.common.processes import allowed_workers
from helpers.common.report import Report, Table
from helpers.tokens.bpe_files import ENCODER_MODULE
from helpers.workflow.workspace import Workspace

FAIRSEQ = "ve-fairseq==0.12.3"
INSTALL = "make env"
WITHOUT_FAIRSEQ = "needs Linux on x86-64; under Windows use WSL 2 (wsl --install)"
GIGABYTE = 10**9
# A module, or the file of a command, and what it is asked for. For its help, Hydra would put all
# of fairseq's configuration together, which takes longer than everything else.
TOOLS = {
    "fairseq's BPE encoder": [ENCODER_MODULE, "--help"],
    "fairseq-preprocess": [tool("fairseq-preprocess"), "--help"],
    "fairseq-hydra-train": [tool("fairseq-hydra-train"), "--version"],
}
# Starts each tool and prints, a line each, what was wrong with it at last. All in one process:
# importing fairseq takes seconds.
ASK = """
import contextlib, io, json, os, runpy, sys
for name, (tool, option) in json.loads(sys.argv[1]).items():
    sys.argv = [tool, option]
    out, wrong = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(out):
            (runpy.run_path if os.sep in tool else runpy.run_module)(tool, run_name="__main__")
    except SystemExit as end:
        if end.code:
            wrong = end.code if isinstance(end.code, str) else out.getvalue().strip() or "no output"
    except BaseException as error:
        wrong = f"{type(error).__name__}: {error}"
    print(json.dumps([name, "".join(wrong.strip().splitlines()[-1:])]), flush=True)
"""


@dataclasses.dataclass(frozen=True)
class Item:
    """One thing that was looked at.

    Attributes:
        state: ``OK``, ``FAIL`` (the course cannot work) or ``--`` (something will not be possible).
        mend: the command or the step that mends it.
        package: whether it is one of the many pinned packages.
    """

    state: str
    name: str
    found: str
    mend: str = ""
    package: bool = False

    def __str__(self) -> str:
        mend = f"  → {self.mend}" if self.mend else ""
        return f"{f'[{self.state}]':6} {self.name}: {self.found}{mend}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckReport(Report):
    TITLE = "What is here"
    items: tuple[Item, ...]

    @property
    def ok(self) -> bool:
        return all(item.state != "FAIL" for item in self.items)

    def table(self) -> Table:
        """The packages that are as they should be take one row together."""
        fine = [item for item in self.items if item.package and item.state == "OK"]
        rows = [
            (f"[{item.state}]", item.name, item.found, item.mend)
            for item in self.items
            if item not in fine
        ]
        rows.insert(1, ("[OK]", "packages", f"{len(fine)} as pinned", ""))
        return ("", "item", "found", "to mend it"), rows

    def __str__(self) -> str:
        return "\n".join(map(str, self.items))


def check(workspace: Workspace) -> CheckReport:
    """Look at Python, packages, fairseq's tools, cores, memory, disk and GPU; never raises."""
    return CheckReport(
        items=(
            _python(),
            *_packages(),
            *_fairseq(),
            _cores(),
            _memory(),
            _disk(workspace),
            _gpu(),
        )
    )


def _python() -> Item:
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info < (3, 13):
        return Item("OK", "Python", found)
    return Item("FAIL", "Python", found, "make clean env PYTHON=python3.11")


def _packages() -> list[Item]:
    """Every package that the course pins, with its version."""
    try:
        requirements = importlib.metadata.requires("roberta-course") or []
    except importlib.metadata.PackageNotFoundError:
        return [Item("FAIL", "packages", "the course itself is not installed", INSTALL)]
    needed = [r for r in requirements if "extra ==" not in r]  # the rest is for tests
    return [_package(*re.match(r"([\w.-]+)==([\w.]+)", r).groups()) for r in needed]


def _package(name: str, wanted: str) -> Item:
    found = _version(name)
    if found == wanted:
        return Item("OK", name, found, package=True)
    return Item("FAIL", name, f"{found or 'missing'}, wanted {wanted}", INSTALL, package=True)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name).partition("+")[0]  # 2.13.0+cpu is 2.13.0
    except importlib.metadata.PackageNotFoundError:
        return ""


def _fairseq() -> list[Item]:
    name, wanted = FAIRSEQ.split("==")
    found = _version(name)
    if not found and not sys.platform.startswith("linux"):
        return [Item("--", "fairseq", "not installed", WITHOUT_FAIRSEQ)]
    if found != wanted:
        return [Item("FAIL", "fairseq", found or "missing", INSTALL)]
    wrong = _wrong_with_tools()
    return [Item("OK", "fairseq", found), *(_starts(name, wrong[name]) for name in TOOLS)]


def _wrong_with_tools() -> dict[str, str]:
    """Of each tool what is wrong with it; nothing, where it starts."""
    scripts = {name: tool for name, (tool, _) in TOOLS.items() if os.sep in tool}
    broken = {name: why for name, tool in scripts.items() if (why := _cannot_be_run(tool))}
    asked = {name: words for name, words in TOOLS.items() if name not in broken}
    command = [sys.executable, "-c", ASK, json.dumps(asked)]
    refuse_foreign_code()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        return dict.fromkeys(asked, str(error)) | broken
    answers = (json.loads(line) for line in done.stdout.splitlines() if line.startswith('["'))
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return dict.fromkeys(asked, last) | dict(answers) | broken


def _cannot_be_run(script: str) -> str:
    """Why the system would not run a script: it is missing, or the Python in its first lines is."""
    if not Path(script).is_file():
        code = errno.ENOENT
    elif not os.access(script, os.X_OK):
        code = errno.EACCES
    else:
        # After "#!", or in quotes behind "exec" in the line below, where the path has spaces.
        head = "\n".join(Path(script).read_text("utf-8", errors="replace").splitlines()[:2])
        python = re.search(r"(?:^#!|[\"'])(/[^\"'\n]*python[\d.]*)", head)
        code = 0 if python and os.access(python[1], os.X_OK) else errno.ENOENT
    return str(OSError(code, os.strerror(code), script)) if code else ""


def _starts(name: str, wrong: str) -> Item:
    if wrong:
        reinstall = f"make clean {INSTALL.removeprefix('make ')}"
        return Item("FAIL", name, f"does not start ({wrong})", reinstall)
    return Item("OK", name, "starts")


def _cores() -> Item:
    return Item("OK", "cores", str(allowed_workers(None)[0]))


def _memory() -> Item:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIGABYTE
    except (ValueError, OSError, AttributeError):
        return Item("--", "memory", "unknown")
    if total < 4:
        return Item("--", "memory", f"{total:.1f} GB", "close other programs; lower max_tokens")
    return Item("OK", "memory", f"{total:.1f} GB")


def _disk(workspace: Workspace) -> Item:
    folder = next(p for p in (workspace.root, *workspace.root.parents) if p.exists())
    free = shutil.disk_usage(folder).free / GIGABYTE
    if not os.access(folder, os.W_OK):
        return Item("FAIL", "disk", f"{folder} cannot be written", "choose another workspace")
    if free < 2:
        return Item("FAIL", "disk", f"{free:.1f} GB free in {folder}", "make room: 2 GB are needed")
    return Item("OK", "disk", f"{free:.0f} GB free")


def _gpu() -> Item:
    try:
        import torch

        if torch.cuda.is_available():
            return Item("OK", "GPU", torch.cuda.get_device_name(0))
    except (ImportError, OSError, RuntimeError) as error:
        return Item("FAIL", "torch", f"does not import ({error})", INSTALL)
    return Item("--", "GPU", "none; training runs on the processor, which is enough for the sample")
