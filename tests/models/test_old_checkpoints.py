"""Checkpoints of fairseq 0.10 and older, hostile and broken ones, and one of full size."""

import dataclasses
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM

from helpers.common.errors import CourseError
from helpers.common.files import PROJECT
from helpers.models import checkpoints
from helpers.models.old_checkpoints import complete_cfg, today_named
from helpers.stages import convert
from helpers.stages.base import BaseReport
from helpers.stages.road import ROAD
from helpers.workflow.settings import BaseSettings, ConvertSettings
from helpers.workflow.training_settings import FinetuneSettings
from helpers.workflow.workspace import Workspace
from tests.support import checkpoint_makers as make
from tests.support.checkpoint_makers import State, Tensors, base_from, is_untouched

# fairseq's own use of Hydra and TorchScript.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
    pytest.mark.usefixtures("tiny_course_base", "nothing_is_left"),
]
TOLERANCE = 1e-4
MEMORY = 3e9  # bytes
VERSION = {"decoder.sentence_encoder.version": torch.tensor([3.0])}


@dataclasses.dataclass(frozen=True)
class Old:
    """One kind of old checkpoint: how tensors and state were saved."""

    tensors: Callable[[Tensors], Tensors] = make.old_named
    state: Callable[[Tensors], State] = make.old
    zipped: bool = True
    meters: str = ""

    def put(self, folder: Path) -> Path:
        with make.meters_in(self.meters):
            return make.put(self.state(self.tensors(make.tensors())), folder, zipped=self.zipped)


def without_positions(weights: Tensors) -> State:
    args = make.old_args()
    del args.max_positions
    return make.old(weights, args=args)


def bare(weights: Tensors) -> State:
    return {"args": make.old_args(), "model": weights}


def metered(weights: Tensors) -> State:
    return make.with_meters(make.old(weights))


KINDS = {
    "0.10": Old(),
    "0.10, not zipped": Old(zipped=False),
    "joined": Old(lambda t: make.old_named(make.joined(t))),
    "joined, half, not zipped": Old(
        lambda t: make.half(make.old_named(make.joined(t))), zipped=False
    ),
    "half": Old(lambda t: make.half(make.old_named(t))),
    "numbered norms": Old(lambda t: make.old_named(make.numbered_norms(t))),
    "version": Old(lambda t: make.old_named(t) | VERSION),
    "meters of 2019": Old(state=metered, meters="fairseq.meters", zipped=False),
    "meters of 2020": Old(state=metered, meters="fairseq.logging.meters"),
    "only args and model": Old(state=bare),
    "no max_positions": Old(state=without_positions),
    "0.12's command line": Old(dict, make.by_todays_command_line),
}


@dataclasses.dataclass(frozen=True)
class Taken:
    """An old checkpoint and the workspace that has it as its base."""

    kind: Old
    file: Path
    workspace: Workspace
    report: BaseReport


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def taken(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Taken]:
    folder = tmp_path_factory.mktemp("taken")
    file, workspace = request.param.put(folder / "old 旧"), Workspace(folder / "work 工作")
    yield Taken(request.param, file, workspace, base_from(workspace, file))
    shutil.rmtree(folder)


def test_an_old_checkpoint_becomes_a_base_in_todays_form(taken: Taken) -> None:
    report, kind = taken.report, taken.kind
    base, saved = make.read(taken.workspace.base_model), make.tensors()
    exact = kind.tensors(saved)
    wanted = {n: t.half().float() for n, t in saved.items()} if is_half(exact) else saved
    assert (report.layers, report.width, report.heads, report.positions) == (2, 32, 2, 512)
    assert base["args"] is None and base["last_optimizer_state"] is None
    assert base["model"].keys() == wanted.keys()
    assert all(torch.equal(base["model"][name], tensor) for name, tensor in wanted.items())
    assert {tensor.dtype for tensor in base["model"].values()} == {torch.float}
    assert base["model"][make.HEAD].data_ptr() == base["model"][make.EMBEDDING].data_ptr()
    assert base["cfg"]["model"].items() >= {**make.TINY, "max_positions": 512}.items()
    assert base["cfg"].keys() >= complete_cfg({}).keys()
    assert base["cfg"]["task"]["_name"] == "masked_lm"


def is_half(weights: Tensors) -> bool:
    return any(tensor.dtype == torch.half for tensor in weights.values())


def test_fairseqs_hub_loads_the_base_and_computes_what_the_old_file_did(taken: Taken) -> None:
    hub = make.hub(taken.workspace.base_model.parent)
    words = [make.dictionary().index(gpt2) for gpt2 in ("15496", "995")]
    assert hub.encode("Hello world").tolist() == [0, *words, 2]
    assert make.difference(hub.model, make.by_fairseq(taken.file, taken.kind.meters)) == 0


@pytest.mark.parametrize("kind", ["0.10", "0.12's command line"])
def test_no_path_of_the_machine_that_trained_it_is_kept(
    workspace: Workspace, tmp_path: Path, kind: str
) -> None:
    base_from(workspace, KINDS[kind].put(tmp_path / "old"))
    found = str({name: v for name, v in make.read(workspace.base_model).items() if name != "model"})
    assert "bookwiki" not in found and "/checkpoint/" not in found


@pytest.mark.parametrize("kind", ["0.10", "joined", "numbered norms", "version"])
def test_tensors_are_renamed_as_fairseq_renames_them(tmp_path: Path, kind: str) -> None:
    model = make.by_fairseq(KINDS["0.10"].put(tmp_path))
    theirs = KINDS[kind].tensors(make.tensors())
    ours, were_renamed = today_named(theirs)
    model.upgrade_state_dict_named(theirs, "")
    theirs.pop("encoder.sentence_encoder.version")  # which fairseq adds by itself
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    assert were_renamed


@pytest.mark.long
def test_an_old_checkpoint_goes_the_whole_way(workspace: Workspace, tmp_path: Path) -> None:
    kind = KINDS["joined, half, not zipped"]
    base_from(workspace, kind.put(tmp_path / "old"))
    make.prepare(workspace)
    settings = FinetuneSettings(max_update=5, validate_every=3, max_tokens=512)
    trained = ROAD.run("finetune", workspace, settings)
    log = (workspace.checkpoints / "train.log").read_text("utf-8")
    assert f"Loaded checkpoint {workspace.base_model} (" in log
    assert trained.updates == 5 and trained.valid_curve[0][0] == 3
    report = ROAD.run("convert", workspace, ConvertSettings())
    assert report.checkpoint == "checkpoint_best.pt" and report.difference <= TOLERANCE
    theirs = AutoModelForMaskedLM.from_pretrained(workspace.hf).eval()
    assert make.difference(theirs, make.hub(workspace.pt).model) <= TOLERANCE
    learned = checkpoints.read(workspace.pt / "model.pt")["model"]
    assert not torch.equal(
        learned[make.EMBEDDING], make.read(workspace.base_model)["model"][make.EMBEDDING]
    )


@pytest.mark.parametrize("source", ["base", "old"])
@pytest.mark.parametrize("name", ["0.10", "joined, half, not zipped"])
def test_hugging_face_computes_what_fairseq_computes_from_the_old_file(
    workspace: Workspace, tmp_path: Path, name: str, source: str
) -> None:
    file = KINDS[name].put(tmp_path / "old")
    if source == "base":
        base_from(workspace, file)
    folder = workspace.base_model.parent if source == "base" else file.parent
    report = ROAD.run("convert", workspace, ConvertSettings(roberta_checkpoint_path=str(folder)))
    theirs = AutoModelForMaskedLM.from_pretrained(workspace.hf).eval()
    assert make.difference(theirs, make.by_fairseq(file)) <= TOLERANCE
    assert report.difference <= TOLERANCE and report.updates == 500000


@dataclasses.dataclass
class Trap:
    """Unpickling it creates ``target``."""

    target: str


class Command(Trap):
    def __reduce__(self) -> tuple:
        return os.system, (f"touch '{self.target}'",)


class Evaluation(Trap):
    def __reduce__(self) -> tuple:
        return eval, (f"open({self.target!r}, 'w').close()",)


class Mapped(Trap):
    def __reduce__(self) -> tuple:
        return np.memmap, (self.target, "uint8", "w+", 0, 1)


class Foreign(Trap):
    def __setstate__(self, state: dict) -> None:
        Path(state["target"]).touch()


TRAPS = {Command: "system", Evaluation: "eval", Mapped: "numpy.memmap", Foreign: "Foreign"}
PLACES: dict[str, Callable[[object], State]] = {
    "in args": lambda trap: make.old({}, args=make.old_args(bpe=trap)),
    "in extra_state": lambda trap: make.current({}, extra_state={"meters": [trap]}),
    "among tensors": lambda trap: make.current({make.EMBEDDING: trap}),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "plain pickle"])
@pytest.mark.parametrize("packed", [False, True], ids=["file", "archive"])
@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_a_hostile_checkpoint_runs_nothing_and_says_what_it_asked_for(
    workspace: Workspace,
    tmp_path: Path,
    trap: type[Trap],
    packed: bool,
    zipped: bool,
    place: Callable[[object], State],
) -> None:
    target = tmp_path / "it ran"
    file = source = make.put(place(trap(str(target))), tmp_path / "hostile", zipped=zipped)
    if packed:
        source = tmp_path / "hostile.tar.gz"
        with tarfile.open(source, "w:gz", compresslevel=1) as tar:
            tar.add(file.parent, "hostile")
    with pytest.raises(CourseError, match="can be read safely") as error:
        base_from(workspace, source)
    assert not target.exists()
    assert TRAPS[trap] in error.value.message.split("it asks to run ")[1]
    assert is_untouched(workspace)
    torch.load(file, weights_only=False)  # the trap itself works
    assert target.exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "plain pickle"])
def test_a_checkpoint_broken_off_anywhere_is_refused_in_sentences(
    tmp_path: Path, zipped: bool
) -> None:
    small = {n: t for n, t in make.tensors().items() if len(t) < make.POSITIONS}
    content, file, escaped = make.saved(small, zipped), tmp_path / "model.pt", {}
    for length in (*range(0, len(content), 197), len(content) - 1):
        file.write_bytes(content[:length])
        try:
            checkpoints.read(file)
            escaped["nothing"] = length
        except CourseError as error:
            assert "can be read safely" in error.message
        except Exception as error:
            escaped[repr(error)] = length
    assert not escaped


WIDTH, LAYER = make.TINY["encoder_embed_dim"], f"{make.ENCODER}.layers.1"
TABLE = f"{make.ENCODER}.embed_positions.weight"


def with_cfg(weights: Tensors, **parts: object) -> State:
    return make.current(weights, cfg=make.current(weights)["cfg"] | parts)


def with_model(weights: Tensors, **values: object) -> State:
    return with_cfg(weights, model=make.current(weights)["cfg"]["model"] | values)


def with_layer(weights: Tensors, number: str) -> State:
    return make.current(weights | {f"{make.ENCODER}.layers.{number}.fc1.bias": torch.ones(64)})


REFUSED = (
    r"is no whole RoBERTa|parts are not what fairseq|which a RoBERTa does not have|"
    "without the tensor|says that its width|reads at most"
)
ODD: dict[str, Callable[[Tensors], State]] = {
    "no embedding": lambda t: make.current({n: x for n, x in t.items() if n != make.EMBEDDING}),
    "no positions": lambda t: make.current({n: x for n, x in t.items() if "positions" not in n}),
    "no first layer": lambda t: make.current({n: x for n, x in t.items() if "s.0." not in n}),
    "one bias missing": lambda t: make.current({n: x for n, x in t.items() if "1.fc1.b" not in n}),
    "numbers for tensors": lambda t: make.current(dict.fromkeys(t, 1)),
    "joined in two": lambda t: make.old(t | {f"{LAYER}.self_attn.in_proj_bias": torch.zeros(2)}),
    "args of another kind": lambda t: make.old(t, args=["--arch", "roberta_base"]),
    "cfg without model": lambda t: make.current(t, cfg={"task": None}),
    "no model in cfg": lambda t: make.current(t, cfg={"model": None}),
    "task is a number": lambda t: with_cfg(t, task=5),
    "data is a number": lambda t: with_cfg(t, task={"data": 5}),
    "checkpoint is text": lambda t: with_cfg(t, checkpoint="x"),
    "common is text": lambda t: with_cfg(t, common="x"),
    "heads are true": lambda t: with_model(t, encoder_attention_heads=True),
    "heads as text": lambda t: with_model(t, encoder_attention_heads="2"),
    "dropout in words": lambda t: with_model(t, dropout="many"),
    "dropout of two": lambda t: with_model(t, attention_dropout=2.0),
    "activation is a number": lambda t: with_model(t, activation_fn=5),
    "updates as text": lambda t: make.current(t, optimizer_history=[{"num_updates": "x"}]),
    "extra_state is text": lambda t: make.current(t, extra_state="x"),
    "joined without size": lambda t: make.old(
        t | {f"{LAYER}.self_attn.in_proj_bias": torch.tensor(1.0)}
    ),
    "a layer without number": lambda t: with_layer(t, "x"),
    "a layer far behind": lambda t: with_layer(t, "1000000000"),
    "a layer with two numbers": lambda t: with_layer(t, "01"),
    "a tensor too many in a layer": lambda t: make.current(t | {f"{LAYER}.fc1.x": torch.ones(1)}),
    "few positions": lambda t: make.current(t | {TABLE: t[TABLE][:9]}),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_incomplete_checkpoint_is_refused_in_sentences(
    workspace: Workspace, tmp_path: Path, odd: Callable[[Tensors], State]
) -> None:
    file = make.put(odd(make.tensors()), tmp_path / "odd")
    with pytest.raises(CourseError, match=REFUSED):
        base_from(workspace, file)
    assert is_untouched(workspace)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_neither_is_it_used_where_it_was_put_by_hand(
    workspace: Workspace, odd: Callable[[Tensors], State]
) -> None:
    make.put(odd(make.tensors()) | {"args": None}, workspace.base_model.parent)
    with pytest.raises(CourseError, match=f"{REFUSED}|neither 'cfg' nor 'args'"):
        ROAD.run("base", workspace, BaseSettings())


def test_without_a_task_its_data_is_not_sought(tmp_path: Path) -> None:
    file = make.put(with_cfg(make.tensors(), task=None), tmp_path)
    (tmp_path / "dict.txt").unlink()
    settings = ConvertSettings(roberta_checkpoint_path=str(file))
    with pytest.raises(CourseError, match=r"There is no dict\.txt beside"):
        convert.checkpoint_and_dictionary(Workspace(tmp_path / "work"), settings)


# Runs a command, and tells the peak of its resident memory in bytes.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(code)
"""
MAKE_FULL = """
import pathlib, sys
from tests.support import checkpoint_makers as make
weights = make.half(make.old_named(make.joined(make.fitting(make.tensors(make.FULL)))))
make.put(make.old(weights, make.FULL), pathlib.Path(sys.argv[1]), zipped=False)
"""


def output(*words: object) -> str:
    """What a Python process of its own prints, which finds the tests too."""
    command, env = [sys.executable, *map(str, words)], os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def peak(*words: object) -> int:
    """Peak memory of ``python -m helpers …``."""
    return int(output("-c", MEASURE, sys.executable, "-m", "helpers", *words).split()[-1])


@pytest.mark.long
def test_a_roberta_of_full_size_needs_less_than_3_gb(
    workspace: Workspace,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    old, at = tmp_path / "full", ("--workspace", workspace.root)
    try:
        output("-c", MAKE_FULL, old)
        base = peak("base", *at, "--source", old / "model.pt")
        shutil.rmtree(old)
        assert workspace.record.stages["base"].report["parameters"] == 124_696_665
        folder = workspace.base_model.parent
        converted = peak("convert", *at, "--roberta-checkpoint-path", folder)
        assert (workspace.hf / "model.safetensors").stat().st_size > 4 * 124_000_000
    finally:
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(workspace.root, ignore_errors=True)
    for name, found in (("base", base), ("convert", converted)):
        record_property(f"peak of {name}", found)
        print(f"peak of {name}: {found / 1e9:.2f} GB")
        assert 5e8 < found < MEMORY
