"""``max_tokens = 0``: batches as large as the memory allows."""

import json
import resource
import shutil
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.stages.road import ROAD
from helpers.training import batches
from helpers.training.batches import FOUND, in_batches, remember, settled, wanted
from helpers.training.command import finetune_command
from helpers.training.log.diagnosis import OutOfMemory
from helpers.training.plan import largest_batch
from helpers.training.plan.planning import plan_training
from helpers.training.runs.run import written
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support.commands import interrupted
from tests.support.small import SHORT, untrained

LARGE = SHORT.model_copy(update={"max_tokens": 0, "update_freq": 3})


@pytest.fixture
def ready(small: Workspace, tmp_path: Path) -> Workspace:
    return untrained(small, tmp_path / "work")


@pytest.mark.parametrize("tokens", [16, 100, 512, 2047, 2048, 2049, 6144, 10**6])
def test_however_large_batches_are_an_update_reads_the_same(tokens: int) -> None:
    found = in_batches(LARGE, tokens)
    assert found.max_tokens <= max(tokens, 6144 // found.update_freq + 1)
    assert 6144 <= wanted(found) < 6144 + found.update_freq


def test_it_is_tried_once_and_remembered(ready: Workspace, monkeypatch) -> None:
    monkeypatch.setattr(batches, "USUAL", 300)
    report = ROAD.run("finetune", ready, LARGE)
    assert report.notes[0].startswith("max_tokens = 900 and update_freq = 1: as few batches")
    assert written(ready.checkpoints).settings["max_tokens"] == 900
    assert [*json.loads((ready.root / FOUND).read_text()).values()] == [900]
    assert "dataset.max_tokens=900" in finetune_command(ready, LARGE)
    assert not ready.scratch.exists()
    assert ROAD.run("finetune", ready, LARGE).reused
    monkeypatch.setattr(largest_batch, "from_probe", None)
    other = ROAD.run("finetune", ready, LARGE.model_copy(update={"seed": 5}))
    assert "900" in other.notes[0]


def test_a_batch_that_the_text_could_not_fill_is_not_remembered(ready, monkeypatch) -> None:
    monkeypatch.setattr(largest_batch, "from_probe", lambda *_: None)
    assert largest_batch.with_batches(ready, LARGE, 0).max_tokens == 6144
    assert not (ready.root / FOUND).exists()


def test_until_it_is_tried_the_plan_counts_with_usual_batches(ready: Workspace) -> None:
    plan = ROAD.plan("finetune", ready, LARGE)
    assert "is tried when the training begins" in str(plan) and "of 2,048 at most" in str(plan)
    assert "dataset.max_tokens=2048" in finetune_command(ready, LARGE)
    remember(ready, LARGE, 3072)
    plan = plan_training(ready, LARGE)
    assert (plan.settings.max_tokens, plan.settings.update_freq) == (3072, 2)
    assert "is tried" not in str(plan)


def test_where_memory_is_short_batches_are_halved_until_they_have_room(
    ready: Workspace, monkeypatch
) -> None:
    tried = []

    def probe(_, settings: FinetuneSettings, *__: object) -> None:
        tried.append(settings.max_tokens)
        if settings.max_tokens > 1000:
            raise OutOfMemory("The memory of the GPU is not enough.")

    monkeypatch.setattr(largest_batch, "from_probe", probe)
    found = largest_batch.with_batches(ready, LARGE, 0)
    assert tried == [6144, 3072, 1536, 768]
    assert (found.max_tokens, found.update_freq) == (768, 8)
    assert settled(ready, LARGE) == found


def test_what_fails_for_another_reason_is_left_to_the_training(ready, monkeypatch) -> None:
    def probe(*_: object) -> None:
        raise CourseError("Something else.")

    monkeypatch.setattr(largest_batch, "from_probe", probe)
    assert largest_batch.with_batches(ready, LARGE, 0).max_tokens == 6144
    assert not (ready.root / FOUND).exists()


def test_an_unfinished_training_goes_on_with_its_batches(ready: Workspace) -> None:
    remember(ready, LARGE, 2048)
    interrupted(lambda: ROAD.run("finetune", ready, LARGE))
    (ready.root / FOUND).unlink()  # as on another device, where it is not known yet
    report = ROAD.run("finetune", ready, LARGE)
    assert "An interrupted run was continued after update" in str(report.notes)
    assert "max_tokens = 2048 and update_freq = 3" in report.notes[0]


@pytest.mark.long
def test_a_processor_without_memory_for_it_gets_smaller_batches(
    ready: Workspace, monkeypatch
) -> None:
    """Really: the address space of fairseq has a limit."""
    many = LARGE.model_copy(update={"update_freq": 400, "max_update": 1})
    text = "\n\n".join(f"Text {n} tells of {n * n} and of nothing else." for n in range(40_000))
    shutil.rmtree(ready.texts)
    ready.texts.mkdir()
    (ready.texts / "a.txt").write_text(text)
    for stage in ("split", "prepare"):
        ROAD.run(stage, ready, ROAD[stage].settings())
    before = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (2 * 10**9, before[1]))
        found = ROAD.run("finetune", ready, many)
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    run = written(ready.checkpoints).settings
    assert found.updates == 1 and run["max_tokens"] < 400 * 2048
    assert run["max_tokens"] * run["update_freq"] == pytest.approx(400 * 2048, abs=400)


def test_where_it_cannot_be_remembered_training_goes_on(ready: Workspace) -> None:
    (ready.root / FOUND).mkdir()
    remember(ready, LARGE, 600)
    assert settled(ready, LARGE).max_tokens == 2048


@pytest.mark.parametrize("content", ["", "[1]", '{"a": "b"}', "\x00"])
def test_a_damaged_file_is_as_none(content: str, ready: Workspace) -> None:
    (ready.root / FOUND).write_text(content)
    assert settled(ready, LARGE).max_tokens == 2048


def test_a_batch_is_none_or_has_some_tokens() -> None:
    assert FinetuneSettings(max_tokens=0).max_tokens == 0
    with pytest.raises(CourseError, match="a batch has at least 16 tokens"):
        FinetuneSettings(max_tokens=15)
