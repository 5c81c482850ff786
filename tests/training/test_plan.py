"""The plan of a training: what it says beforehand is what fairseq then does."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from helpers.common.errors import CourseError, StageMissing
from helpers.common.fairseq import CALM
from helpers.machine.resources import Machine
from helpers.models.summaries import summary
from helpers.stages.road import ROAD
from helpers.training.command import finetune_command
from helpers.training.log.events import Event, events
from helpers.training.plan.findings import findings, recipe_rate
from helpers.training.plan.plan import Finding, TrainingPlan
from helpers.training.plan.planning import plan_training
from helpers.training.schedule import rate
from helpers.training.train import LAUNCHER
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support import road
from tests.support.commands import command
from tests.support.small import SHORT

WHOLE = SHORT.model_copy(update={"update_freq": 2, "warmup_share": 0.5, "validate_every": 2})


# In a small process, since one that is started counts the memory of what has started it.
MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[2:], check=True)
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def trained(workspace: Workspace, settings: FinetuneSettings) -> tuple[list[Event], int]:
    """What fairseq says when the course runs it, and the bytes it took."""
    log, memory = workspace.root / "train.log", workspace.root / "memory"
    fairseq = [sys.executable, "-P", LAUNCHER, *finetune_command(workspace, settings)[1:]]
    command = [sys.executable, "-c", MEASURED, memory, *fairseq]
    with log.open("wb") as sink:
        subprocess.run(command, stdout=sink, stderr=sink, env=CALM | os.environ, check=True)
    return events(log), 1024 * int(memory.read_text())


@pytest.mark.parametrize(
    "extra", [(), ("lr_scheduler.power=2.5", "lr_scheduler.end_learning_rate=1e-4")]
)
def test_what_is_planned_is_what_fairseq_does(copied: Workspace, extra):
    """Updates, tokens, rates, validations: to the last one. Checkpoints and memory nearly."""
    one_pass = plan_training(copied, WHOLE).data.updates
    more = {"max_update": 2 * one_pass + 1, "extra": extra}
    settings = WHOLE.model_copy(update=more)
    plan = plan_training(copied, settings)
    said, memory = trained(copied, settings)
    passes = [event.values for event in said if event.kind == "train"]
    assert [values["train_num_updates"] for values in passes[:2]] == [one_pass, 2 * one_pass]
    assert passes[0]["train_wpb"] == pytest.approx(plan.tokens_per_update, abs=0.05)
    last = copied.training / "checkpoint_last.pt"
    assert plan.updates == summary(last).updates == settings.max_update
    assert sum(event.kind == "valid" for event in said) == plan.validations
    for values in passes:
        done = int(values["train_num_updates"])
        assert values["train_lr"] == pytest.approx(rate(done, settings), rel=1e-3)
    assert plan.network.checkpoint() == pytest.approx(last.stat().st_size, rel=0.1)
    assert plan.memory == pytest.approx(memory, rel=0.3)


@pytest.mark.long
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize(("layers", "width", "tokens"), [(4, 128, 4096), (6, 512, 1024)])
def test_the_memory_of_larger_models_is_planned_nearly(
    workspace: Workspace, tmp_path, layers, width, tokens, dropout
):
    shape = dict(zip(make.TINY, (layers, width, 4 * width, width // 64), strict=True))
    weights = make.fitting(make.tensors(shape))
    make.base_from(workspace, make.put(make.current(weights, shape), tmp_path / "base"))
    make.prepare(workspace)
    long = "\n\n".join(road.text(f"{number} times") for number in range(400))
    (workspace.texts / "long.txt").write_text(long)
    for name in ("split", "encode", "binarize"):
        road.do(workspace, name)
    settings = FinetuneSettings(max_update=10, max_tokens=tokens, dropout=dropout)
    _, memory = trained(workspace, settings)
    assert plan_training(workspace, settings).memory == pytest.approx(memory, rel=0.3)


def test_five_updates_are_tried(copied: Workspace):
    before = {path: path.stat() for path in copied.root.rglob("*") if ".lock" not in path.name}
    done = command("finetune", "--workspace", copied.root, "--probe", "--max-update", "8")
    assert done.returncode == 0, done.stderr
    assert "as fast as 5 updates that were tried" in done.stdout
    assert copied.last_worker.stage not in ROAD, "no training was done"
    after = {path: path.stat() for path in copied.root.rglob("*") if ".lock" not in path.name}
    assert {p: s.st_mtime_ns for p, s in after.items() if p.is_file()} == {
        p: s.st_mtime_ns for p, s in before.items() if p.is_file()
    }


def test_what_was_done_before_is_known(copied: Workspace):
    """Finished, gone on from, and interrupted; also where files have other times."""
    os.utime(copied.base_model)
    done = ROAD.plan("finetune", copied, SHORT)
    assert done.updates == done.validations == done.seconds == 0
    assert done.notes == ("It is done, and kept in checkpoints: without force nothing is trained.",)
    longer = ROAD.plan("finetune", copied, SHORT.model_copy(update={"max_update": 16}))
    assert (longer.done, longer.updates) == (6, 10)
    assert longer.notes[0].startswith(
        "It goes on from the 6 updates that are saved in checkpoints,"
    )
    copied.checkpoints.rename(copied.training)
    run = copied.training / "run.json"
    run.write_text(run.read_text().replace('"max_update": 6', '"max_update": 16'))
    begun = ROAD.plan("finetune", copied, SHORT.model_copy(update={"max_update": 16}))
    assert begun.notes[0].startswith("6 updates of it are saved in checkpoints.unfinished: it goes")
    assert (begun.done, begun.updates) == (6, 10)
    assert not plan_training(copied, SHORT).done


def test_only_a_plan_is_made(small: Workspace, workspace: Workspace):
    done = command("finetune", "--workspace", small.root, "--plan", "--seed", "2")
    assert done.returncode == 0, done.stderr
    assert "What this training will do" in done.stdout
    with pytest.raises(StageMissing, match=r"model\.pt is not there yet"):
        ROAD.plan("finetune", workspace, SHORT)


@pytest.fixture(scope="module")
def plan(small: Workspace) -> TrainingPlan:
    """One on a machine with room, without anything to be said of it."""
    found = plan_training(small, SHORT)
    sizes = {
        "samples": 4000,
        "tokens": 2_000_000,
        "valid": 100_000,
        "hidden": 15_000,
        "largest": 4096,
    }
    data = dataclasses.replace(found.data, epochs=(500,), **sizes)
    machine = Machine("a processor", 10**10, 10**11)
    speed = dataclasses.replace(found.speed, token=1e-4)
    network = dataclasses.replace(found.network, width=128)
    settings = FinetuneSettings(max_tokens=4096, precision="fp32", device="cpu")
    parts = {"data": data, "machine": machine, "speed": speed, "network": network}
    return dataclasses.replace(found, **parts, settings=settings)


@pytest.mark.parametrize("extra", [(), ("lr_scheduler.power=2",)])
def test_nothing_is_said_of_a_good_one(plan: TrainingPlan, extra):
    assert findings(with_settings(extra=extra)(plan)) == ()


@pytest.mark.parametrize("mode", ["complete", "complete_doc"])
def test_general_text_is_counted(small: Workspace, mode: str):
    """As it will be mixed in; a panel, which cannot wait until it is chosen, reckons nearly so."""
    wanted = {"replay": 0.5, "sample_break_mode": mode}
    settings = SHORT.model_copy(update=wanted)
    alone = plan_training(small, settings.model_copy(update={"replay": 0})).data
    roughly = plan_training(small, settings)
    assert "about so, with general text" in str(roughly)
    assert roughly.data.tokens == pytest.approx(2 * alone.tokens, rel=0.25)
    files = {path: path.stat().st_mtime_ns for path in small.root.rglob("*.[bi][id][nx]")}
    exact = ROAD.plan("finetune", small, settings)
    assert "about so" not in str(exact)
    assert exact.data.general == pytest.approx(exact.data.tokens / 2, rel=0.1)
    assert f"{exact.data.general:,} tokens" in str(exact)
    assert exact.data.tokens == pytest.approx(roughly.data.tokens, rel=0.25)
    assert exact.data.updates > alone.updates and exact.data.valid == alone.valid
    assert files == {path: path.stat().st_mtime_ns for path in small.root.rglob("*.[bi][id][nx]")}


def with_settings(**values: object) -> Callable[[TrainingPlan], TrainingPlan]:
    return lambda plan: dataclasses.replace(plan, settings=plan.settings.model_copy(update=values))


def with_part(part: str, **values: object) -> Callable[[TrainingPlan], TrainingPlan]:
    return lambda plan: dataclasses.replace(
        plan, **{part: dataclasses.replace(getattr(plan, part), **values)}
    )


def tight(plan: TrainingPlan) -> TrainingPlan:
    """The model has room, and the batch has not."""
    deep = with_part("network", layers=24)(plan)
    return with_part("machine", memory=7 * 10**8)(deep)


def after_the_bases(updates: int) -> Callable[[TrainingPlan], TrainingPlan]:
    """A training that continues the base's, for a hundred updates more."""
    more = with_settings(start="continue", max_update=updates + 100)
    return lambda plan: dataclasses.replace(more(plan), first=updates)


@pytest.mark.parametrize(
    ("change", "said", "stops"),
    [
        (with_part("machine", disk=10**6), "Its checkpoints need", True),
        (with_part("machine", memory=10**8), "The model alone needs", True),
        (tight, "of memory, and 700.0 MB are free", False),
        (with_settings(warmup_share=0.9), "The rate rises in 450 of 500 updates", False),
        (with_settings(lr=5e-3), "A rate of 0.005 is high for a model 128 numbers wide", False),
        (with_part("network", width=768), "A rate of 0.001 is high", False),
        (with_part("network", width=768), "which is much smaller than the 100,000", False),
        (with_part("data", epochs=(50_000,)), "Only 1 % of your text will be read", False),
        (with_settings(max_update=50_000), "Your text will be read 100 times", False),
        (with_part("network", sample=100), "A sample has at most 100 tokens", False),
        (after_the_bases(10_000), "lr = 0.001 is never reached", False),
        (with_part("data", hidden=150), "Validation hides 150 tokens only", False),
        (with_part("data", hidden=0), "Validation hides no token at all", True),
        (with_part("data", scripts={"Thai": 7}), "7 of Thai. Each such letter", False),
        (with_settings(validate_every=1), "fairseq will validate and save 500 times", False),
    ],
)
def test_each_trap_is_said(plan: TrainingPlan, change, said, stops):
    found = [finding for finding in findings(change(plan)) if said in finding.what]
    assert [finding.stops for finding in found] == [stops]
    assert found[0].mend


def test_what_fits_is_what_was_wanted(plan: TrainingPlan):
    """Lower max_tokens, more batches: the update is the same, and has room."""
    found = tight(plan)
    tokens, batches = found.that_fits(4096)
    assert tokens < 4096 == tokens * batches
    assert found.python + found.state + found.network.kept(tokens) <= 7 * 10**8


def test_only_what_cannot_be_done_stops_it(plan: TrainingPlan):
    found = (Finding("It is odd.", "Look."), Finding("No room.", "Make some.", stops=True))
    dataclasses.replace(plan, findings=found[:1]).refuse()
    with pytest.raises(CourseError, match=r"No room\.\nMake some\."):
        dataclasses.replace(plan, findings=found).refuse()


@pytest.mark.parametrize(("tokens", "wanted"), [(512, 1e-4), (131_072, 1e-4), (1_048_576, 5e-4)])
def test_the_recipes_rate(tokens, wanted):
    assert recipe_rate(768, tokens) == pytest.approx(wanted)
    assert recipe_rate(1536, tokens) == pytest.approx(wanted / 2)
