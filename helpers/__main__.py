"""The command line: ``python -m helpers COMMAND``. Its options are made from the settings."""

import argparse
import importlib
import operator
import os
import sys
import typing
from collections.abc import Callable, Sequence

from pydantic.fields import FieldInfo

from helpers.errors import CourseError
from helpers.settings import (
    BaseSettings,
    BinarizeSettings,
    ConvertSettings,
    EncodeSettings,
    EvaluateSettings,
    FinetuneSettings,
    SampleSettings,
    Settings,
    SplitSettings,
    from_here,
)
from helpers.workspace import Workspace

STAGES: dict[str, tuple[type[Settings], str]] = {
    "sample": (SampleSettings, "put the sample corpus into texts/"),
    "base": (BaseSettings, "put a base model and its dictionary into base/"),
    "split": (SplitSettings, "divide text files into train, valid and test"),
    "encode": (EncodeSettings, "encode the splits with GPT-2's BPE"),
    "binarize": (BinarizeSettings, "make fairseq's binary files"),
    "finetune": (FinetuneSettings, "train the base model further on the data"),
    "convert": (ConvertSettings, "make a Hugging Face model of the best checkpoint"),
    "evaluate": (EvaluateSettings, "compare base and fine-tuned model on held-out text"),
}


BUG, FOR_A_PERSON, INTERRUPTED = 1, 2, 130

# Module and attribute of what runs each of them, imported when it is needed.
RUNNERS = {
    "sample": "sample SAMPLE.run",
    "base": "base_model BASE.run",
    "split": "split SPLIT.run",
    "encode": "bpe ENCODE.run",
    "binarize": "binarize BINARIZE.run",
    "finetune": "finetune FINETUNE.run",
    "convert": "convert convert",
    "evaluate": "evaluate EVALUATE.run",
}


def runner(name: str) -> Callable:
    """The function behind a stage's command: ``(workspace, settings, force=…) → report``."""
    module, path = RUNNERS[name].split()
    return operator.attrgetter(path)(importlib.import_module(f"helpers.{module}"))


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="roberta-course",
        description="From plain text files through fairseq to a Hugging Face RoBERTa.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="is everything here that the course needs?")
    _add_workspace(check)
    for name, (settings, help_text) in STAGES.items():
        command = commands.add_parser(name, help=help_text, description=help_text)
        _add_workspace(command)
        command.add_argument("--force", action="store_true", help="do the work again")
        for field, info in settings.model_fields.items():
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
    return top


def _add_workspace(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--workspace",
        default="runs/sample",
        metavar="DIR",
        help="folder of the run; a relative one lies in the project (default: %(default)s)",
    )


def flag(field: str, info: FieldInfo) -> str:
    """The option of a field: its name, or a shorter one that the settings give."""
    return (info.json_schema_extra or {}).get("flag", field)


def _add_option(command: argparse.ArgumentParser, field: str, info: FieldInfo) -> None:
    """One option for a field; with hyphens, and with underscores as people copy it."""
    name = flag(field, info)
    spellings = dict.fromkeys((f"--{name.replace('_', '-')}", f"--{name}"))
    many = typing.get_origin(info.annotation) is tuple
    command.add_argument(
        *spellings,
        dest=field,
        default=argparse.SUPPRESS,
        metavar=name.upper(),
        nargs="+" if many else None,
        help=f"{info.description} (default: {info.default!r})".replace("%", "%%"),
    )


def settings_from(name: str, given: dict) -> Settings:
    """The settings of a stage from the options that were typed."""
    model = STAGES[name][0]
    mine = {field: value for field, value in given.items() if field in model.model_fields}
    values = {field: from_here(model, field, value) for field, value in mine.items()}
    return model(**values)


def dispatch(given: dict) -> int:
    command, workspace = given.pop("command"), Workspace(given.pop("workspace"))
    if command == "check":
        from helpers.environment import check

        report = check(workspace)
        print(report)
        return 0 if report.ok else BUG
    if command == "run":
        from helpers.batch import run

        return run(workspace, given["parameter"], given["only"], force=given["force"])
    settings = settings_from(command, given)
    print(runner(command)(workspace, settings, force=given["force"]))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Exit codes: 0; 1 a bug or a failed notebook; 2 for a person; 130 Ctrl-C."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows fewer characters
    given = vars(parser().parse_args(arguments))
    try:
        return dispatch(given)
    except CourseError as error:
        print(error, file=sys.stderr)
        return FOR_A_PERSON
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to go on.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BUG


if __name__ == "__main__":
    sys.exit(main())
