"""A stage's command in a process of its own, which goes on when what has begun it is gone."""

import os
import subprocess
import sys
from pathlib import Path

from helpers.common.files import PROJECT, resolve, writing
from helpers.common.foreign_code import refuse_foreign_code
from helpers.workflow.lock import BACKGROUND
from helpers.workflow.parameters import About, Settings, literal
from helpers.workflow.workspace import Workspace

SAID = ".background.log"  # what the last one has said, in its workspace


def begin(
    stage: str, workspace: Workspace, settings: Settings, *, force: bool = False
) -> subprocess.Popen:
    """Run a stage as its command does: no end of this process, and no signal to it, ends that one.

    It holds the workspace while it works; what it says lands in ``SAID`` there.

    Raises:
        CourseError: the workspace cannot be written to.
    """
    refuse_foreign_code()
    name = Path(os.environ.get("JPY_SESSION_NAME", "")).name
    paths = filter(None, (str(PROJECT), os.environ.get("PYTHONPATH")))
    own = {"JPY_SESSION_NAME": f"{name}{BACKGROUND}", "PYTHONPATH": os.pathsep.join(paths)}
    own["TQDM_DISABLE"] = "1"  # nobody sees its bar; how far it is stands in the lock
    with writing(workspace.root):
        workspace.root.mkdir(parents=True, exist_ok=True)
        said = workspace.refuse_link(workspace.root / SAID).open("wb")
    with said:
        return subprocess.Popen(
            command(stage, workspace, settings, force=force),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=os.environ | own,
            cwd=workspace.root,  # where relative names start
            start_new_session=True,
        )


def command(
    stage: str, workspace: Workspace, settings: Settings, *, force: bool = False
) -> list[str]:
    """The command of a stage with these settings, those left out that are as by default."""
    words = [sys.executable, "-m", "helpers", stage, "--workspace", str(workspace.root)]
    words += ["--force"] if force else []
    for name, value in settings:
        info = type(settings).model_fields[name]
        about = About.of(info)
        if value != info.default:
            written = value if isinstance(value, str) else literal(value)
            if about.path == "made":  # which a shell takes from where it stands
                written = str(resolve(written))
            words.append(f"--{(about.flag or name).replace('_', '-')}={written}")
    return words


def said(workspace: Workspace) -> str:
    """What the last process in the background has said."""
    file = workspace.root / SAID
    return file.read_text("utf-8", "replace").strip() if file.is_file() else ""
