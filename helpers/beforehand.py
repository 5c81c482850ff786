"""What a batch is given, looked at before the first notebook runs: parameters, texts, models."""

from collections.abc import Mapping, Sequence
from shlex import quote

from helpers.common.errors import CourseError
from helpers.common.fairseq import require_fairseq
from helpers.common.files import PROJECT
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
    owners = {name: owners_of(name) for name in NOTEBOOKS}
    raw: dict[str, dict[str, object]] = {notebook: {} for notebook in NOTEBOOKS}
    _refuse_twice([name for name, _ in given])
    for name, value in sorted(given, key=lambda pair: "." in pair[0]):
        notebook, field = _place(name)
        targets = [notebook] if notebook else list(NOTEBOOKS)
        found = [n for n in targets if field in owners[n]]
        if field in FOR_ALL:
            raise CourseError(
                f"The parameter {field} is the same for all notebooks.",
                f"Give it as --{field}, without -p.",
            )
        if not found:
            raise unknown_name(field, dict.fromkeys(f for n in targets for f in owners[n]))
        for target in found:
            typed = None if value == "None" else value  # all else the settings convert
            typed = from_here(owners[target][field], field, typed)
            raw[target][field] = typed
    checked = {n: _checked(owners[n], values) for n, values in raw.items()}
    return {n: checked[n] for n in notebooks}


def _place(name: str) -> tuple[str, str]:
    """The notebook that a parameter is for, empty where it is for all, and the field."""
    notebook, _, field = name.rpartition(".")
    return _notebook(notebook) if notebook else "", field


def _refuse_twice(names: Sequence[str]) -> None:
    """Raise CourseError where the last of several values would silently be the only one."""
    places = [*map(_place, names)]
    for name, place in zip(names, places, strict=True):
        if (times := places.count(place)) > 1:
            raise CourseError(
                f"The parameter {name} is given {times} times.",
                f'Give it once; several values are one list: -p {name} \'["a", "b"]\'.',
            )


def owners_of(notebook: str) -> dict[str, type[Settings]]:
    return {field: model for model in NOTEBOOKS[notebook] for field in model.model_fields}


def _checked(owners: Mapping[str, type[Settings]], values: Mapping[str, object]) -> dict:
    plain = {}
    for model in dict.fromkeys(owners.values()):
        mine = {field: value for field, value in values.items() if owners[field] is model}
        dumped = model(**mine).model_dump(mode="json")
        plain |= {field: dumped[field] for field in mine}
    return plain


def refuse_to_replace_the_base(
    workspace: Workspace, given: Mapping[str, dict], values: Mapping[str, dict]
) -> None:
    """Raise CourseError where a base of another source would be replaced, and nobody said so.

    Args:
        given: by notebook, the parameters of this run alone; ``values``: all that hold.
    """
    if "00_setup" not in given or "source" in given["00_setup"]:
        return
    made = workspace.record.entry("base").settings.get("source")
    source = settings_of(ROAD["base"], values).source
    if made not in (None, ROAD["base"].settings().source, source):
        raise CourseError(
            f"The base model in {workspace.root} was made from {made}; this run would replace it.",
            f"Keep it with -p source {quote(made)}, or replace it with -p source {quote(source)}.",
        )


def check(workspace: Workspace, values: Mapping[str, dict], force: bool) -> None:
    """Read all texts and models that the notebooks are given, before the first of them works.

    Raises:
        CourseError: what the notebook would say of them, perhaps after hours.
    """
    for stage in (stage for stage in ROAD.values() if stage.notebook in values):
        settings = settings_of(stage, values)
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


def settings_of(stage: Stage, values: Mapping[str, dict]) -> Settings:
    """A stage's settings, as its notebook's parameters give them."""
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


def unused(workspace: Workspace, values: Mapping[str, dict], force: bool) -> dict[str, tuple]:
    """By notebook, the stages whose result nothing would read; their cells are tagged so."""
    if not {"00_setup", "01_split"} <= values.keys():
        return {}
    if settings_of(ROAD["sample"], values) != ROAD["sample"].settings():  # it was asked for
        return {}
    names = settings_of(ROAD["split"], values).txt_files
    if "06_evaluate" in values:
        names += settings_of(ROAD["task"], values).labels
    own = not force and _is_own(workspace, ROAD["split"])
    return {"00_setup": ("sample",)} if own or not is_named(names, workspace) else {}
