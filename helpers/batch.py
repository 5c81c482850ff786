"""The notebooks in order, with papermill: the same road without a person at it."""

import contextlib
import hashlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from helpers import environment
from helpers.beforehand import (
    FOLDER,
    check,
    chosen,
    owners_of,
    parameters,
    refuse_to_replace_the_base,
    settings_of,
    unused,
)
from helpers.common.errors import CourseError, Stopped
from helpers.common.files import write_whole
from helpers.common.foreign_code import refuse_foreign_code
from helpers.common.processes import die_with_parent
from helpers.common.progress import TICK, over
from helpers.panels.prepared import prepared, values_in
from helpers.stages.road import ROAD
from helpers.training.log.events import LOG
from helpers.workflow.definition import Stage
from helpers.workflow.lock import BATCH
from helpers.workflow.record import versions
from helpers.workflow.workspace import Workspace

MADE_FROM = "roberta_course"  # in the metadata of an executed copy


def run(
    workspace: Workspace,
    given: Sequence[tuple[str, str]] = (),
    only: Sequence[str] = (),
    *,
    force: bool = False,
) -> int:
    """Run notebooks; their executed copies land in ``notebooks/`` of the workspace.

    Returns:
        0, or 1 if a notebook failed: its copy then holds the error.

    Raises:
        CourseError: unknown parameters or values, texts or models that cannot be read, before
            anything runs.
    """
    die_with_make()
    refuse_foreign_code()  # nor do the notebooks' kernels
    notebooks = chosen(only)
    values = parameters(given, notebooks)
    holding = {name: _saved(name) | given for name, given in values.items()}
    refuse_to_replace_the_base(workspace, values, holding)
    begun: list[str] = []
    with workspace.lock_for_all(), _short_when_stopped(workspace, begun):
        check(workspace, holding, force)
        left_out = unused(workspace, holding, force)
        for name in notebooks:
            begun.append(name)
            without = left_out.get(name, ())
            steps = [s for s in ROAD.values() if s.notebook == name and s.name not in without]
            print(f"{name}: {'; '.join(stage.does for stage in steps)} …", flush=True)
            its = values[name] | {"workspace": str(workspace.root), "force": force}
            text = prepared(FOLDER / f"{name}.ipynb", workspace.notebooks, its, without)
            if not force and _is_done(workspace, name, text, steps, holding):
                print(f"{name} nothing to recompute, and its copy stays", flush=True)
            elif not _run_and_tell(workspace, name, text):
                return 1
    print(_closing(workspace))
    return 0


def _saved(name: str) -> dict[str, object]:
    """What a person has saved in the cell ``parameters`` of a notebook, as far as it is plain."""
    import nbformat

    cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", ())]
    found = values_in("\n".join(tagged), name)
    return {field: value for field, value in found.items() if field in owners_of(name)}


@contextlib.contextmanager
def _short_when_stopped(workspace: Workspace, begun: Sequence[str]) -> Iterator[None]:
    """Ctrl-C leaves an unfinished task, of which asyncio would tell in a hundred lines.

    Args:
        begun: the notebooks that have been begun so far.
    """
    try:
        yield
    except KeyboardInterrupt:
        logging.getLogger("asyncio").disabled = True
        said = "Stopped. Run the same command again to go on; finished steps stay."
        if begun[-1:] == [ROAD["finetune"].notebook] and workspace.training.exists():
            said += f"\nA training saves a checkpoint in {workspace.training}, and goes on from it."
        raise Stopped(said) from None


@contextlib.contextmanager
def _told_in_a_terminal(workspace: Workspace) -> Iterator[None]:
    """While a notebook runs, a line that is written over and over says how far its step is."""
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(TICK):
            if (worker := workspace.worker) and worker.standing:
                print(over(f"  {worker.standing}"), end="", file=sys.stderr, flush=True)

    if not sys.stderr.isatty():
        yield
        return
    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        print(over(""), end="", file=sys.stderr, flush=True)


def _finished(workspace: Workspace) -> dict[str, tuple]:
    """A mark for each stage that changes whenever its work is done."""
    return {name: (e.finished, e.outputs) for name, e in workspace.record.stages.items()}


def _is_done(
    workspace: Workspace,
    name: str,
    text: str,
    steps: Sequence[Stage],
    values: Mapping[str, dict],
) -> bool:
    """Whether running a notebook would bring nothing new: the same one was run after all its steps.

    Args:
        text: the notebook as it would be run.
        values: by notebook, the parameters that hold.
    """
    copy = workspace.notebooks / f"{name}.ipynb"
    try:
        content = json.loads(copy.read_text("utf-8"))
        made_from = content["metadata"][MADE_FROM]
        return (
            made_from == _mark(workspace, name, text, content["cells"])
            and (name != "00_setup" or environment.check(workspace).ok)
            and all(
                ROAD.is_done(stage.name, workspace, settings_of(stage, values)) for stage in steps
            )
        )
    except (OSError, ValueError, LookupError, TypeError, CourseError):
        return False  # whatever is wrong, the notebook says it


def _mark(workspace: Workspace, name: str, text: str, cells: list) -> str:
    """A SHA-256 of all that an executed copy depends on, and of its own cells.

    That is the notebook as it was run, the packages, what the stages up to its own have made, and
    the trainings that there are.
    """
    order = list(ROAD)
    last = max(order.index(stage.name) for stage in ROAD.values() if stage.notebook == name)
    so_far = order[: last + 1]
    shown = [_finished(workspace).get(stage) for stage in so_far]
    logs = sorted(workspace.root.glob(f"checkpoints*/{LOG}")) if "finetune" in so_far else []
    trainings = [(workspace.key(log), log.stat().st_size) for log in logs]
    everything = json.dumps([text, versions(), shown, trainings, cells])
    return hashlib.sha256(everything.encode()).hexdigest()


def _run_and_tell(workspace: Workspace, name: str, text: str) -> bool:
    """Run one notebook, and print what its steps have made; whether it went well."""
    before, since = _finished(workspace), time.monotonic()
    with _told_in_a_terminal(workspace):
        error = _execute(workspace, name, text)
    if error:
        print(f"\n{error}\nSee {workspace.notebooks / name}.ipynb")
        return False
    seconds = time.monotonic() - since
    made = [k for k, v in _finished(workspace).items() if before.get(k) != v]
    said = f"made: {', '.join(made)}" if made else "nothing to recompute"
    print(f"{name} {said} ({seconds:.0f} s)", flush=True)
    for stage in made:
        for note in workspace.record.entry(stage).report.get("notes", ()):
            print(f"  {stage}: {note}", flush=True)
    return True


def _execute(workspace: Workspace, name: str, text: str) -> str:
    """Run one notebook; what went wrong, or an empty text. The copy appears when it is done."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    from helpers.panels.still import stilled

    unfinished = workspace.scratch.with_name(f".{name}.ipynb")
    wanted = workspace.notebooks / f"{name}.ipynb"
    error = ""
    write_whole(unfinished, text)
    os.environ["JPY_SESSION_NAME"] = f"{name}.ipynb{BATCH}"
    path = str(unfinished).replace("{", "{{").replace("}", "}}")  # papermill fills in names
    try:
        papermill.execute_notebook(
            path,
            path,
            # Whatever kernel it was saved with, and whatever a kernel of that name starts here.
            kernel_name="python3",
            language="python",
            kernel_manager_class=own_python(),
            cwd=FOLDER,
            progress_bar=False,
            log_output=False,
            extra_arguments=["--log-level=CRITICAL"],
        )
    except papermill.PapermillExecutionError as failure:
        stopped = failure.ename == Stopped.__name__  # by somebody elsewhere
        error = failure.evalue if stopped else f"{failure.ename}: {failure.evalue}"
    except DeadKernelError:
        error = "The notebook's process was killed; often the memory was not enough."
    except KeyboardInterrupt:
        unfinished.unlink(missing_ok=True)
        raise
    executed = json.loads(stilled(unfinished))
    if not error:
        executed["metadata"][MADE_FROM] = _mark(workspace, name, text, executed["cells"])
    write_whole(wanted, json.dumps(executed, indent=1, ensure_ascii=False) + "\n")
    unfinished.unlink()
    return error


def own_python() -> type:
    """A manager of kernels that run in this Python; people can have their own ``python3``."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]

    class OwnPython(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=argv, display_name="Python 3", language="python")

    return OwnPython


def _closing(workspace: Workspace) -> str:
    made = (
        (workspace.notebooks, "", "the notebooks with their results"),
        (
            workspace.hf,
            "convert",
            "the Hugging Face model, for from_pretrained(…)",
        ),
        (workspace.pt, "convert", "the same model for fairseq"),
        (workspace.evaluation, "evaluate", "what was learned, in numbers"),
        (workspace.result, "evaluate", "all of it on a page to hand on"),
    )
    record = workspace.record
    there = [(path, stage, what) for path, stage, what in made if path.exists()]
    old = [path for path, stage, _ in there if record.is_outdated(stage)]
    lines = [f"  {path}  {what}" for path, _, what in there if path not in old]
    if old:
        lines += ["", "Out of date, since it was made before these; run the notebooks that follow:"]
        lines += [f"  {path}" for path in old]
    return "\n".join(("", "Made:", *lines, "", "Next: `make lab` opens the notebooks."))


def die_with_make() -> None:
    """When `make` is killed, so is this process, and with it the kernel and fairseq (Linux)."""
    if "MAKELEVEL" in os.environ:
        die_with_parent()
