"""Is everything here that the course needs? One line per item, with the command that mends it."""

import dataclasses
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.common.fairseq import WITHOUT_FAIRSEQ, has_fairseq, is_offered, tool
from helpers.common.foreign_code import refuse_foreign_code
from helpers.common.processes import allowed_workers
from helpers.common.report import Report, Table
from helpers.workflow.workspace import Workspace

FAIRSEQ = "ve-fairseq==0.12.3"
INSTALL = "make -B env"  # without -B it does nothing where it was done before
ANEW = "rm -r .venv; make env"
GIGABYTE = 10**9
# One tool is started: with the same Python, each of them imports all of fairseq first.
STARTED = {"fairseq-hydra-train": [tool("fairseq-hydra-train"), "--version"]}
PRESENT = {"fairseq-preprocess": Path(tool("fairseq-preprocess"))}


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
        if fine:
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
    return Item("FAIL", "Python", found, f"{ANEW} PYTHON=python3.11")


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
    if found != wanted and is_offered():
        return [Item("FAIL", "fairseq", found or "missing", INSTALL)]
    if not found and not has_fairseq():
        return [Item("--", "fairseq", "not installed", WITHOUT_FAIRSEQ)]
    state, found = ("OK", found) if found == wanted else ("--", "another build than the course's")
    refuse_foreign_code()
    tools = (*map(_is_there, PRESENT), *map(_starts, STARTED))
    return [Item(state, "fairseq", found), *tools]


def _is_there(name: str) -> Item:
    file = PRESENT[name]
    if os.access(file, os.X_OK):
        return Item("OK", name, "there")
    return Item("FAIL", name, f"{file} {'may not be run' if file.exists() else 'is missing'}", ANEW)


def _starts(name: str) -> Item:
    try:
        done = subprocess.run(STARTED[name], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Item("FAIL", name, f"does not start ({error})", ANEW)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Item("FAIL", name, f"does not start ({last})", ANEW)
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
