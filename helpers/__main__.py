"""The command line: ``python -m helpers COMMAND``. Its options are made from the settings."""

import argparse
import difflib
import os
import sys
import typing
from collections.abc import Sequence
from pathlib import Path

from pydantic.fields import FieldInfo

from helpers.common.errors import CourseError
from helpers.common.files import resolve
from helpers.common.foreign_code import refuse_foreign_code
from helpers.common.processes import endings_interrupt
from helpers.stages.road import ROAD
from helpers.workflow.parameters import About, Settings, from_here
from helpers.workflow.workspace import DEFAULT, SESSION, Workspace

BUG, FOR_A_PERSON, INTERRUPTED = 1, 2, 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog=_as_typed(),
        description="From plain text files through fairseq to a Hugging Face RoBERTa.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="is everything here that the course needs?")
    _add_workspace(check)
    for name, stage in ROAD.items():
        command = commands.add_parser(name, help=stage.does, description=stage.does)
        _add_workspace(command)
        command.add_argument("--force", action="store_true", help="do the work again")
        if stage.plan:
            command.add_argument("--plan", action="store_true", help="tell only what it will do")
        if stage.plan and stage.in_place:  # what takes hours
            command.add_argument("--probe", action="store_true", help="the same, tried a little")
        if stage.job:
            command.add_argument(
                "--slurm", metavar="PROFILE", help="write the script of a SLURM job that does it"
            )
            command.add_argument("--submit", action="store_true", help="submit that job, too")
        if stage.inspect:
            command.add_argument("--check", metavar="DIR", help="only look at such a folder")
            command.add_argument(
                "--against", metavar="CHECKPOINT", help="compare it with this .pt file or folder"
            )
        for field, info in stage.settings.model_fields.items():
            _add_option(command, field, info)
    run = commands.add_parser("run", help="run the notebooks in order with papermill")
    _add_workspace(run)
    run.add_argument("--force", action="store_true", help="do all work again")
    run.add_argument(
        *("-p", "--parameter"),
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a notebook's parameter; NOTEBOOK.NAME where several have it (split.seed)",
    )
    run.add_argument("--only", nargs="+", default=[], metavar="NOTEBOOK", help="only these")
    listing = commands.add_parser("parameters", help="list what can be set in the notebooks")
    listing.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="of these; else of all")
    listing.add_argument("--json", action="store_true", help="for programs")
    watch = commands.add_parser("watch", help="show how far the run is that works in a workspace")
    _add_workspace(watch)
    return top


def _as_typed() -> str:
    """How the command was called, for examples that can be copied."""
    called = Path(sys.argv[0]).name
    return "python -m helpers" if called == "__main__.py" else called


def _add_workspace(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--workspace",
        metavar="DIR",
        help=f"folder of the run; a relative one lies in the project (default: ${SESSION}, else "
        f"{DEFAULT})",
    )


def flag(field: str, info: FieldInfo) -> str:
    """The option of a field: its name, or a shorter one that the settings give."""
    return About.of(info).flag or field


def _add_option(command: argparse.ArgumentParser, field: str, info: FieldInfo) -> None:
    """One option for a field; with hyphens, and with underscores as people copy it."""
    name = flag(field, info)
    spellings = dict.fromkeys((f"--{name.replace('_', '-')}", f"--{name}"))
    many = typing.get_origin(info.annotation) is tuple
    values = {"nargs": "+"} if many else {}
    if info.annotation is bool:  # --keep-optimizer alone, or --deduplicate false
        values = {"nargs": "?", "const": True}
    command.add_argument(
        *spellings,
        dest=field,
        default=argparse.SUPPRESS,
        metavar=name.upper(),
        help=f"{info.description} (default: {info.default!r})".replace("%", "%%"),
        **values,
    )


def settings_from(name: str, given: dict) -> Settings:
    """The settings of a stage from the options that were typed."""
    model = ROAD[name].settings
    mine = {field: value for field, value in given.items() if field in model.model_fields}
    values = {field: from_here(model, field, value) for field, value in mine.items()}
    return model(**values)


def dispatch(given: dict) -> int:
    command, named = given.pop("command"), given.pop("workspace", None)
    if command == "parameters":
        from helpers.beforehand import chosen
        from helpers.parameters import as_json, as_text, parameters

        found = [*parameters(chosen(given["notebooks"]))]
        print(as_json(found) if given["json"] else as_text(found))
        return 0
    workspace = Workspace() if named is None else Workspace(resolve(named))
    if command == "check":
        from helpers.environment import check

        report = check(workspace)
        print(report)
        return 0 if report.ok else BUG
    if command == "run":
        from helpers.batch import run

        return run(workspace, given["parameter"], given["only"], force=given["force"])
    if command == "watch":
        from helpers.watch import watch

        return watch(workspace)
    settings = settings_from(command, given)
    if given.get("plan") or given.get("probe"):
        print(ROAD.plan(command, workspace, settings, probe=given.get("probe", False)))
        return 0
    stage = ROAD[command]
    if stage.inspect and (given["check"] is not None or given["against"]):
        if not given["check"]:
            raise CourseError("There is no folder to look at.", "Name it: --check DIR.")
        against = workspace.locate(given["against"]) if given["against"] else None
        print(stage.inspect(workspace, settings, workspace.locate(given["check"]), against))
        return 0
    if stage.job and (given["slurm"] is not None or given["submit"]):
        if not given["slurm"]:
            raise CourseError("There is no SLURM profile.", "Name one: --slurm PROFILE.")
        how = (given["slurm"], given["submit"], given["force"])
        print(stage.job(workspace, settings, *how))
        return 0
    print(ROAD.run(command, workspace, settings, force=given["force"]))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Exit codes: 0; 1 a bug or a failed notebook; 2 for a person; 130 Ctrl-C."""
    refuse_foreign_code()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows fewer characters
    typed = sys.argv[1:] if arguments is None else arguments
    if not typed:
        parser().print_help(sys.stderr)
        return FOR_A_PERSON
    known, rest = parser().parse_known_args(typed)
    given = vars(known)
    if rest:
        _refuse_unknown(given["command"], rest)
    with endings_interrupt():
        return _told(given)


def _refuse_unknown(command: str, words: Sequence[str]) -> None:
    """End with the nearest option of a command, as argparse ends with what it does not know."""
    model = ROAD[command].settings.model_fields if command in ROAD else {}
    options = [f"--{flag(*pair).replace('_', '-')}" for pair in model.items()]
    near = difflib.get_close_matches(words[0].partition("=")[0], [*options, "--workspace"], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    parser().error(f"unrecognized arguments: {' '.join(words)}{hint}")


def _told(given: dict) -> int:
    """Run a command, and tell how it ended where that is not its own result."""
    try:
        return dispatch(given)
    except CourseError as error:
        print(error, file=sys.stderr)
        return FOR_A_PERSON
    except KeyboardInterrupt as stopped:
        said = str(stopped) or "Stopped. Run the same command again to go on."
        print(said, file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BUG


if __name__ == "__main__":
    sys.exit(main())
