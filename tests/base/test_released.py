"""Models as they are released: archives, dictionaries, the optimizer's state, do they fit."""

import math
import random
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from helpers.base import match
from helpers.common.errors import CourseError
from helpers.models.summaries import summary
from helpers.stages.finetune import FinetuneReport
from helpers.stages.road import ROAD
from helpers.training.log.events import events
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support import road
from tests.support.checkpoint_makers import (
    FOLDER,
    Member,
    base_from,
    files,
    is_untouched,
    member,
    pack,
    released,
)
from tests.support.commands import interrupted
from tests.support.small import SHORT

pytestmark = pytest.mark.usefixtures("tiny_course_base", "nothing_is_left")

CONTINUED = FinetuneSettings(start="continue", max_update=15, validate_every=10, max_tokens=512)
TRAINED_FOR, BLOCKS = SHORT.max_update, 3  # updates of the base; batches in an epoch


@pytest.fixture(scope="module")
def model() -> bytes:
    """An old checkpoint, as released ones are."""
    return make.saved(make.tensors())


def is_the_archives(workspace: Workspace) -> bool:
    """base/model.pt has the weights of ``model``."""
    found = make.read(workspace.base_model)["model"]
    return all(torch.equal(found[name], tensor) for name, tensor in make.tensors().items())


@pytest.mark.parametrize("folder", [FOLDER, ".", "models/2019/" + FOLDER])
@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".tar"])
def test_an_archive_is_taken_as_it_was_released(
    workspace: Workspace, tmp_path: Path, model: bytes, suffix: str, folder: str
) -> None:
    archive = pack(tmp_path / f"roberta.tiny{suffix}", released(model, folder))
    report = base_from(workspace, archive)
    assert report.source == archive.name and report.updates == 500000
    assert is_the_archives(workspace)
    assert workspace.base_dict.read_text("utf-8") == road.dict_text()
    left = {"base/model.pt", "base/dict.txt", "workspace.json", ".stage.lock"}
    assert files(workspace.root).keys() == left and not workspace.scratch.exists()


@pytest.mark.parametrize("number", [0, 2])
def test_an_archive_with_no_or_two_models_is_refused_with_their_number(
    workspace: Workspace, tmp_path: Path, model: bytes, number: int
) -> None:
    members = released(model)[1:] + [member(f"{i}/model.pt", model) for i in range(number)]
    with pytest.raises(CourseError, match=rf"holds {number} files named model\.pt"):
        base_from(workspace, pack(tmp_path / "roberta.tar.gz", members))
    assert is_untouched(workspace)


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar"])
def test_an_archive_broken_off_anywhere_is_called_damaged(
    workspace: Workspace, tmp_path: Path, model: bytes, suffix: str
) -> None:
    archive = pack(tmp_path / f"roberta{suffix}", released(model)[:2])
    content = archive.read_bytes()
    end = len(content) - 20_000  # of a .tar the rest is padding
    for length in (0, 1, 10, 11, 100, 511, *range(1000, end, end // 9), end):
        archive.write_bytes(content[:length])
        with pytest.raises(CourseError, match="is damaged"):
            base_from(workspace, archive)
        assert is_untouched(workspace)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar"])
def test_random_bytes_are_called_damaged(workspace: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(random.Random(1).randbytes(50_000))
    with pytest.raises(CourseError, match="is damaged"):
        base_from(workspace, tmp_path / name)
    assert is_untouched(workspace)


ESCAPES: dict[str, Callable[[bytes, Path], list[Member]]] = {
    "upwards": lambda model, _: released(model, "../../evil"),
    "down and upwards": lambda model, _: released(model, "a/../../../../evil"),
    "absolute": lambda model, outside: released(model, str(outside / "new")),
    "absolute, over a file": lambda model, outside: released(model, str(outside)),
    "model is a link": lambda model, outside: [
        member("x/model.pt", kind=tarfile.SYMTYPE, link=str(outside / "model.pt")),
        *released(model, "x")[1:],
    ],
    "folder is a link": lambda model, outside: [
        member(FOLDER, kind=tarfile.SYMTYPE, link=str(outside)),
        *released(model),
    ],
}


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_an_archive_neither_writes_nor_reads_outside(
    workspace: Workspace,
    tmp_path: Path,
    model: bytes,
    escape: Callable[[bytes, Path], list[Member]],
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "model.pt").write_bytes(make.saved(make.tensors(seed=2)))
    (outside / "dict.txt").write_text(make.reversed_dict_text(), "utf-8")
    archive = pack(tmp_path / "evil.tar.gz", escape(model, outside))
    before = {name: data for name, data in files(tmp_path).items() if "work" not in name}
    try:
        base_from(workspace, archive)
    except CourseError:
        assert is_untouched(workspace)
    else:
        assert is_the_archives(workspace)
        assert workspace.base_dict.read_text("utf-8") == road.dict_text()
    inside = workspace.root.relative_to(tmp_path).as_posix()
    assert not list(tmp_path.rglob("evil"))
    after = {n: data for n, data in files(tmp_path).items() if not n.startswith(inside)}
    assert after == before


@pytest.mark.parametrize(
    "odd",
    [
        member(f"{FOLDER}/dict.txt", kind=tarfile.DIRTYPE),
        member(f"{FOLDER}/dict.txt", kind=tarfile.FIFOTYPE),
        member(f"{FOLDER}/dict.txt", kind=tarfile.SYMTYPE, link="nowhere"),
        member(f"{FOLDER}/dict.txt", kind=tarfile.SYMTYPE, link="../../../workspace.json"),
    ],
    ids=["folder", "fifo", "link to nothing", "link outside"],
)
def test_a_dictionary_in_an_archive_that_is_no_file_is_refused_in_sentences(
    workspace: Workspace, tmp_path: Path, model: bytes, odd: Member, gpt2_folder: Path
) -> None:
    archive = pack(tmp_path / "roberta.tar.gz", [released(model)[0], odd])
    with pytest.raises(CourseError, match=r"no dict\.txt beside the model"):
        base_from(workspace, archive)
    assert is_untouched(workspace)


@pytest.mark.parametrize("inside", [False, True], ids=["none inside", "another inside"])
def test_a_dictionary_that_is_named_is_taken_for_an_archive(
    workspace: Workspace, tmp_path: Path, model: bytes, inside: bool
) -> None:
    archive = pack(tmp_path / "roberta.tar.gz", released(model)[: 1 + inside])
    (tmp_path / "mine.txt").write_text(make.reversed_dict_text(), "utf-8")
    base_from(workspace, archive, dict_file=str(tmp_path / "mine.txt"))
    assert workspace.base_dict.read_text("utf-8") == make.reversed_dict_text()
    assert is_the_archives(workspace)


def test_an_archive_without_a_dictionary_asks_for_robertas_own(
    workspace: Workspace, tmp_path: Path, model: bytes, gpt2_folder: Path
) -> None:
    with pytest.raises(CourseError, match=r"no dict\.txt") as error:
        base_from(workspace, pack(tmp_path / "roberta.tar.gz", released(model)[:1]))
    assert "--dict" in error.value.hint
    assert is_untouched(workspace)


def test_the_dictionary_beside_a_model_is_taken_unless_another_is_named(
    workspace: Workspace, tmp_path: Path
) -> None:
    file = make.put(make.current(make.tensors()), tmp_path, dict_text=make.reversed_dict_text())
    base_from(workspace, file)
    assert workspace.base_dict.read_text("utf-8") == make.reversed_dict_text()
    (tmp_path / "other.txt").write_text(road.dict_text(), "utf-8")
    base_from(workspace, file, dict_file=str(tmp_path / "other.txt"))
    assert workspace.base_dict.read_text("utf-8") == road.dict_text()


@pytest.mark.parametrize("place", ["beside", "named", "in an archive"])
def test_a_dictionary_of_another_size_is_refused_with_both_numbers(
    workspace: Workspace, tmp_path: Path, model: bytes, place: str
) -> None:
    short = "".join(road.dict_text().splitlines(keepends=True)[:-260])
    source = make.put(make.current(make.tensors()), tmp_path, dict_text=short)
    named = ""
    if place == "named":
        named = str(source.with_name("dict.txt").rename(tmp_path / "named.txt"))
    elif place == "in an archive":
        members = [member("x/model.pt", model), member("x/dict.txt", short.encode())]
        source = pack(tmp_path / "roberta.tar.gz", members)
    with pytest.raises(CourseError, match=r"50,265 rows(.|\n)*50,005: this dictionary"):
        base_from(workspace, source, dict_file=named)
    assert is_untouched(workspace)


@pytest.mark.parametrize("source", ["scratch", "course"])
def test_a_base_with_its_own_dictionary_takes_no_other(
    workspace: Workspace, tmp_path: Path, source: str
) -> None:
    (tmp_path / "dict.txt").write_text(road.dict_text(), "utf-8")
    with pytest.raises(CourseError, match=f"'{source}' brings its own dictionary"):
        base_from(workspace, source, dict_file=str(tmp_path / "dict.txt"))
    assert is_untouched(workspace)


@pytest.fixture(scope="module")
def trained(small: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint after some updates by fairseq, with the optimizer's state; dict.txt beside."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(small.base_dict, folder)
    return Path(shutil.copy(small.checkpoints / "checkpoint_last.pt", folder))


def changed(trained: Path, folder: Path, **others: object) -> Path:
    """The trained checkpoint with other entries."""
    return make.put(make.read(trained) | others, folder)


def test_the_optimizers_state_is_kept_when_it_is_asked_for(
    trained: Path, workspace: Workspace
) -> None:
    base_from(workspace, trained)
    size = workspace.base_model.stat().st_size
    assert make.read(workspace.base_model)["last_optimizer_state"] is None
    base_from(workspace, trained, keep_optimizer=True)
    assert workspace.base_model.stat().st_size > 2.9 * size  # two numbers for each weight
    kept = make.read(workspace.base_model)["last_optimizer_state"]["state"]
    made = make.read(trained)["last_optimizer_state"]["state"]
    assert kept.keys() == made.keys() and len(made) > 30
    assert all(torch.equal(kept[i]["exp_avg"], made[i]["exp_avg"]) for i in made)
    assert {state["step"] for state in kept.values()} == {TRAINED_FOR}


def test_an_optimizers_state_that_is_not_there_cannot_be_kept(
    workspace: Workspace, tmp_path: Path
) -> None:
    file = make.put(make.current(make.tensors()), tmp_path / "mine")
    with pytest.raises(CourseError, match="no optimizer state that could be kept"):
        base_from(workspace, file, keep_optimizer=True)
    assert is_untouched(workspace)


def test_an_optimizers_state_in_the_order_of_old_models_is_not_kept(
    trained: Path, workspace: Workspace, tmp_path: Path
) -> None:
    """Up to 0.10 the first layer norm's parameters stood behind the layers: others' numbers now."""
    state = make.read(trained)
    optimizer, history = state["last_optimizer_state"], state["optimizer_history"]
    count = len(optimizer["state"])  # two tables, the first norm's two, layers, the head's five
    order = [0, 1, *range(4, count - 5), 2, 3, *range(count - 5, count)]
    moved = {new: optimizer["state"][now] for new, now in enumerate(order)}
    others = {"last_optimizer_state": optimizer | {"state": moved}, "optimizer_history": history}
    file = make.put(make.old(make.old_named(state["model"]), **others), tmp_path / "old")
    with pytest.raises(CourseError, match="no optimizer state that could be kept"):
        base_from(workspace, file, keep_optimizer=True)


@pytest.fixture(scope="module")
def prepared(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A base with the optimizer's state and a loss that its new data do not allow; data-bin."""
    folder = tmp_path_factory.mktemp("continued")
    work, extra = Workspace(folder / "work"), {"best": 1.0, "val_loss": 1.0}
    file = changed(trained, folder, extra_state=make.read(trained)["extra_state"] | extra)
    base_from(work, file, keep_optimizer=True)
    make.prepare(work)
    return work


@pytest.fixture
def ready(prepared: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may change; its path is a hard one for Hydra."""
    shutil.copytree(prepared.root, tmp_path / "O'Brien 的 work")
    return Workspace(tmp_path / "O'Brien 的 work")


def goes_on_from_the_base(workspace: Workspace, report: FinetuneReport) -> None:
    """With its counter, on its way down from the highest rate, and with its optimizer's state."""
    line = make.loaded(workspace)[0]
    assert line.startswith(f"{workspace.base_model} (epoch ")
    assert line.endswith(f"@ {TRAINED_FOR} updates)")
    found = events(workspace.checkpoints / "train.log")
    epochs = {(e.values["epoch"], e.update) for e in found if e.kind == "train"}
    assert {(2, TRAINED_FOR + 2 * BLOCKS), (3, TRAINED_FOR + 3 * BLOCKS)} <= epochs
    total, warmup = CONTINUED.max_update, round(CONTINUED.warmup_share * CONTINUED.max_update)
    names = {"train_inner": "lr", "train": "train_lr"}
    rates = {e.update: e.values[names[e.kind]] for e in found if e.kind in names}
    assert min(rates) >= TRAINED_FOR + BLOCKS and {10, total} <= rates.keys()
    for update, rate in rates.items():
        wanted = CONTINUED.lr * (total - update) / (total - warmup)
        assert math.isclose(rate, wanted, rel_tol=0.01, abs_tol=1e-9)
    assert report.updates == total and report.best_update > TRAINED_FOR and report.best_loss > 10
    state = make.read(workspace.checkpoints / "checkpoint_last.pt")["last_optimizer_state"]["state"]
    assert {one["step"] for one in state.values()} == {total}


@pytest.mark.long
def test_continuing_goes_on_with_counter_rate_and_optimizer_of_the_base(ready: Workspace) -> None:
    goes_on_from_the_base(ready, ROAD.run("finetune", ready, CONTINUED))
    assert len(make.loaded(ready)) == 1
    found = events(ready.checkpoints / "train.log")
    epochs = [(e.values["epoch"], e.update) for e in found if e.kind == "train"]
    assert epochs[:2] == [(1, TRAINED_FOR + BLOCKS), (2, TRAINED_FOR + 2 * BLOCKS)]
    assert min(e.update for e in found if e.kind.startswith("train")) == TRAINED_FOR + BLOCKS


def test_a_continued_run_that_was_interrupted_resumes_from_its_own_checkpoint(
    ready: Workspace,
) -> None:
    interrupted(lambda: ROAD.run("finetune", ready, CONTINUED))
    done = summary(ready.training / "checkpoint_last.pt").updates
    assert done >= TRAINED_FOR + BLOCKS
    report = ROAD.run("finetune", ready, CONTINUED)
    first, second = make.loaded(ready)
    assert first != second
    assert second.startswith(f"{ready.training / 'checkpoint_last.pt'} (")
    assert second.endswith(f"@ {done} updates)")
    assert f"continued after update {done:,}" in " ".join(report.notes)
    goes_on_from_the_base(ready, report)


def refused(workspace: Workspace, settings: FinetuneSettings) -> str:
    with pytest.raises(CourseError) as error:
        ROAD.run("finetune", workspace, settings)
    assert not workspace.checkpoints.exists() and not workspace.training.exists()
    return str(error.value)


def test_continuing_without_the_optimizers_state_is_refused(
    ready: Workspace, trained: Path
) -> None:
    base_from(ready, trained)
    assert "needs the optimizer's state" in refused(ready, CONTINUED)
    make.put(make.read(trained) | {"optimizer_history": None}, ready.base_model.parent)
    assert "needs the optimizer's state" in refused(ready, CONTINUED)


@pytest.mark.parametrize("max_update", [TRAINED_FOR - 1, TRAINED_FOR])
def test_continuing_to_where_the_base_is_already_is_refused_with_its_updates(
    ready: Workspace, max_update: int
) -> None:
    message = refused(ready, CONTINUED.model_copy(update={"max_update": max_update}))
    assert f"has {TRAINED_FOR} updates already" in message


def test_continuing_with_another_optimizer_is_refused(
    ready: Workspace, trained: Path, tmp_path: Path
) -> None:
    last = make.read(trained)["optimizer_history"][-1] | {"optimizer_name": "FP16Optimizer"}
    base_from(ready, changed(trained, tmp_path, optimizer_history=[last]), keep_optimizer=True)
    assert "FP16Optimizer" in refused(ready, CONTINUED)


SPOILED = {
    "flat": lambda moments, _: moments.update(exp_avg=moments["exp_avg"].flatten()),
    "lacking": lambda moments, _: moments.pop("exp_avg"),
    "negative": lambda moments, _: moments["exp_avg_sq"].neg_(),
    "uncounted": lambda moments, _: moments.update(step=-1),
    "of amsgrad": lambda moments, whole: whole["param_groups"][0].update(amsgrad=True),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_an_optimizers_state_that_does_not_fit_is_refused(kind, ready, trained, tmp_path) -> None:
    SPOILED[kind]((other := make.read(trained)["last_optimizer_state"])["state"][0], other)
    base_from(ready, changed(trained, tmp_path, last_optimizer_state=other), keep_optimizer=True)
    assert "does not fit its weights" in refused(ready, CONTINUED)


def test_a_fitting_pair_gets_no_warning(workspace: Workspace, tmp_path: Path) -> None:
    report = base_from(workspace, make.put(make.current(make.fitting(make.tensors())), tmp_path))
    assert report.bits < 7 and report.notes == ()


@pytest.mark.parametrize("fault", ["permuted dictionary", "untrained model"])
def test_a_pair_that_does_not_fit_is_warned_of_with_both_numbers(
    workspace: Workspace, tmp_path: Path, fault: str
) -> None:
    weights, dict_text = make.tensors(), ""
    if fault == "permuted dictionary":
        weights, dict_text = make.fitting(weights), make.reversed_dict_text()
    report = base_from(workspace, make.put(make.current(weights), tmp_path, dict_text=dict_text))
    (note,) = report.notes
    even = math.log2(make.ROWS)
    assert report.bits > even - match.MARGIN
    assert f"loses {report.bits:.1f} bits a token" in note and f"costs {even:.1f}" in note
    assert f"with its dictionary loses {match.bits(*match.unpack()):.1f}" in note
