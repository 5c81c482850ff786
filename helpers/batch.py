"""The notebooks in order, with papermill: the same road without a person at it."""

import ast
import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from helpers.common.errors import CourseError
from helpers.common.fairseq import require_fairseq
from helpers.common.files import PROJECT, write_whole
from helpers.common.foreign_code import refuse_foreign_code
from helpers.common.processes import die_with_parent
from helpers.stages.road import NOTEBOOKS, ROAD
from helpers.stages.sample import is_named
from helpers.workflow.definition import Stage
from helpers.workflow.parameters import Settings, from_here, unknown_name
from helpers.workflow.record import fingerprint
from helpers.workflow.workspace import Workspace

FOLDER = PROJECT / "notebooks"
# Parameters of every notebook, which the command line has as options.
FOR_ALL = ("workspace", "force")


def chosen(only: Sequence[str]) -> list[str]:
    """The notebooks to run, in order: all, or those named (``split`` or ``01_split``)."""
    if not only:
        return list(NOTEBOOKS)
    return sorted({_notebook(name) for name in only})


def _notebook(name: str) -> str:
    short = name.removesuffix(".ipynb")
    for notebook in NOTEBOOKS:
        if short in (notebook, notebook.partition("_")[2]):
            return notebook
    raise CourseError(f"There is no notebook {name}.", f"There are: {', '.join(NOTEBOOKS)}.")


def parameters(given: Sequence[tuple[str, str]], notebooks: Sequence[str]) -> dict[str, dict]:
    """Sort ``-p NAME VALUE`` into the notebooks, and check every value before anything runs.

    A bare name goes to every notebook that has it; ``NOTEBOOK.NAME`` to that one only.

    Returns:
        For each notebook its parameters, as plain values.

    Raises:
        CourseError: an unknown name (with the nearest one), or a value out of range.
    """
    owners = {name: _owners(name) for name in NOTEBOOKS}
    raw: dict[str, dict[str, object]] = {notebook: {} for notebook in NOTEBOOKS}
    _refuse_twice([name for name, _ in given])
    for name, value in sorted(given, key=lambda pair: "." in pair[0]):
        notebook, _, field = name.rpartition(".")
        targets = [_notebook(notebook)] if notebook else list(NOTEBOOKS)
        found = [n for n in targets if field in owners[n]]
        if field in FOR_ALL:
            raise CourseError(
                f"The parameter {field} is the same for all notebooks.",
                f"Give it as --{field}, without -p.",
            )
        if not found:
            raise unknown_name(field, dict.fromkeys(f for n in targets for f in owners[n]))
        for target in found:
            typed = from_here(owners[target][field], field, _literal(value))
            raw[target][field] = typed
    checked = {n: _checked(owners[n], values) for n, values in raw.items()}
    return {n: checked[n] for n in notebooks}


def _refuse_twice(names: Sequence[str]) -> None:
    """Raise CourseError where the last of several values would silently be the only one."""
    for name in names:
        if names.count(name) > 1:
            raise CourseError(
                f"The parameter {name} is given {names.count(name)} times.",
                f'Give it once; several values are one list: -p {name} \'["a", "b"]\'.',
            )


def _owners(notebook: str) -> dict[str, type[Settings]]:
    return {field: model for model in NOTEBOOKS[notebook] for field in model.model_fields}


def _literal(text: str) -> object:
    """A list or tuple as Python writes it; all else stays text, which the settings convert."""
    # Thousands of signs before a number, or of brackets, are too deep for Python.
    with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
        value = ast.literal_eval(text)
        if isinstance(value, (list, tuple)) or value is None:
            return value
    return text


def _checked(owners: Mapping[str, type[Settings]], values: Mapping[str, object]) -> dict:
    plain = {}
    for model in dict.fromkeys(owners.values()):
        mine = {field: value for field, value in values.items() if owners[field] is model}
        dumped = model(**mine).model_dump(mode="json")
        plain |= {field: dumped[field] for field in mine}
    return plain


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
    _refuse_to_replace_the_base(workspace, values)
    with workspace.lock("all notebooks", "batch"), _short_when_stopped():
        holding = {name: _saved(name) | given for name, given in values.items()}
        _check(workspace, holding, force)
        unused = _unused(workspace, holding, force)
        for name in notebooks:
            before = _finished(workspace)
            begun = time.monotonic()
            without = unused.get(name, ())
            steps = [s for s in ROAD.values() if s.notebook == name and s.name not in without]
            print(f"{name}: {'; '.join(stage.does for stage in steps)} …", flush=True)
            common = {"workspace": str(workspace.root), "force": force}
            if error := _execute(workspace, name, values[name] | common, *without):
                print(f"\n{error}\nSee {workspace.notebooks / name}.ipynb")
                return 1
            seconds = time.monotonic() - begun
            made = [k for k, v in _finished(workspace).items() if before.get(k) != v]
            said = f"made: {', '.join(made)}" if made else "nothing to recompute"
            print(f"{name} {said} ({seconds:.0f} s)", flush=True)
            for stage in made:
                for note in workspace.record.entry(stage).report.get("notes", ()):
                    print(f"  {stage}: {note}", flush=True)
    print(_closing(workspace))
    return 0


def _refuse_to_replace_the_base(workspace: Workspace, values: Mapping[str, dict]) -> None:
    """Raise CourseError where a base of another source would silently become the default one."""
    made = workspace.record.entry("base").settings.get("source")
    usual = ROAD["base"].settings().source
    if "source" not in values.get("00_setup", {"source": made}) and made not in (None, usual):
        raise CourseError(
            f"The base model in {workspace.root} was made from {made}; this run would replace it.",
            f"Keep it with -p source '{made}', or replace it with -p source {usual}.",
        )


def _saved(name: str) -> dict[str, object]:
    """What a person has saved in the cell ``parameters`` of a notebook, as far as it is plain."""
    import nbformat

    from helpers.panels.prepared import values_in

    cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", ())]
    return {field: v for field, v in values_in(*tagged).items() if field in _owners(name)}


def _check(workspace: Workspace, values: Mapping[str, dict], force: bool) -> None:
    """Read all texts and models that the notebooks are given, before the first of them works.

    Raises:
        CourseError: what the notebook would say of them, perhaps after hours.
    """
    for stage in (stage for stage in ROAD.values() if stage.notebook in values):
        settings = _settings(stage, values)
        if stage.name == "finetune" or getattr(settings, "engine", "") == "fairseq":
            require_fairseq()
        if force or not _is_own(workspace, stage):
            stage.check(workspace, settings)
    setup = values.get("00_setup")
    goes_on = values.get("04_finetune", {}).get("start") == "continue"
    without_state = setup is not None and not setup.get("keep_optimizer")
    if goes_on and without_state and not _is_own(workspace, ROAD["base"]):
        raise CourseError(
            "To 'continue', fairseq needs the optimizer's state, and keep_optimizer is False.",
            "Give -p keep_optimizer True, too, with a model.pt that has it in source; or start "
            "with 'weights'.",
        )


def _settings(stage: Stage, values: Mapping[str, dict]) -> Settings:
    given = values[stage.notebook]
    return stage.settings(**{n: given[n] for n in stage.settings.model_fields if n in given})


def _is_own(workspace: Workspace, stage: Stage) -> bool:
    """Whether a person has put a stage's outputs there, which are then used as they are."""
    record = workspace.record
    outputs = {workspace.key(file): file for file in stage.outputs(workspace) if file.is_file()}
    known = record.entry(stage.name).outputs
    return stage.describe is not None and any(
        fingerprint(file, known.get(key)).sha256 not in record.made.get(key, [])
        for key, file in outputs.items()
    )


def _unused(workspace: Workspace, values: Mapping[str, dict], force: bool) -> dict[str, tuple]:
    """By notebook, the stages whose result nothing would read; their cells are tagged so."""
    if not {"00_setup", "01_split"} <= values.keys():
        return {}
    if _settings(ROAD["sample"], values) != ROAD["sample"].settings():  # it was asked for
        return {}
    names = _settings(ROAD["split"], values).txt_files
    own = not force and _is_own(workspace, ROAD["split"])
    return {"00_setup": ("sample",)} if own or not is_named(names, workspace) else {}


@contextlib.contextmanager
def _short_when_stopped() -> Iterator[None]:
    """Ctrl-C leaves an unfinished task, of which asyncio would tell in a hundred lines."""
    try:
        yield
    except KeyboardInterrupt:
        logging.getLogger("asyncio").disabled = True
        raise


def _finished(workspace: Workspace) -> dict[str, tuple]:
    """A mark for each stage that changes whenever its work is done."""
    return {name: (e.finished, e.outputs) for name, e in workspace.record.stages.items()}


def _execute(workspace: Workspace, name: str, values: dict, *without: str) -> str:
    """Run one notebook; what went wrong, or an empty text. The copy appears when it is done.

    Args:
        without: tags of cells that are left out.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    from helpers.panels.prepared import prepared
    from helpers.panels.still import stilled

    unfinished = workspace.scratch.with_name(f".{name}.ipynb")
    wanted = workspace.notebooks / f"{name}.ipynb"
    error = ""
    source = FOLDER / f"{name}.ipynb"
    write_whole(unfinished, prepared(source, workspace.notebooks, values, without))
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
        error = f"{failure.ename}: {failure.evalue}"
    except DeadKernelError:
        error = "The notebook's process was killed; often the memory was not enough."
    write_whole(wanted, stilled(unfinished))
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
        (workspace.notebooks, "the notebooks with their results"),
        (workspace.hf, "the Hugging Face model: AutoModelForMaskedLM.from_pretrained(…)"),
        (workspace.pt, "the same model for fairseq"),
        (workspace.evaluation, "what was learned, in numbers"),
    )
    lines = [f"  {path}  {what}" for path, what in made if path.exists()]
    return "\n".join(("", "Made:", *lines, "", "Next: `make lab` opens the notebooks."))


def die_with_make() -> None:
    """When `make` is killed, so is this process, and with it the kernel and fairseq (Linux)."""
    if "MAKELEVEL" in os.environ:
        die_with_parent()
