"""fairseq fails, and a person reads why: each failure is a real one of fairseq's own."""

import contextlib
import dataclasses
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.common.errors import CourseError
from helpers.ids.binary_files import binarize_file
from helpers.ids.dictionary import Dictionary
from helpers.training.command import CONFIG_FILE, overrides, train_command
from helpers.training.log.failures import FAILURES
from helpers.training.runs.folders import LAST
from helpers.training.train import LAUNCHER, train
from helpers.workflow.workspace import Workspace
from tests.support.small import SHORT

OLDER = "FloatingPointError: gradients are Nan/Inf\nMemoryError\nsignal 9\n"
NO_MEMORY = "raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0')"


@dataclasses.dataclass
class Trial:
    """Where a training is made to fail.

    Attributes:
        folder: of this training alone.
        data: a copy of the data, to be changed.
        trained: a checkpoint of a training that went well.
        closing: what ends with the test.
        limit: an option of the shell's ``ulimit``, with its value in kB.
    """

    folder: Path
    data: Path
    trained: Path
    closing: contextlib.ExitStack
    limit: str = ""

    @property
    def log(self) -> Path:
        return self.folder / "train.log"

    def lines(self, split: str, lines: list[str]) -> None:
        """Put other lines of GPT-2 ids into the data."""
        text = self.folder / f"{split}.bpe"
        text.write_text("".join(f"{line}\n" for line in lines))
        binarize_file(text, self.data / split, Dictionary.load(self.data / "dict.txt"))

    def plug_in(self, step: str, place: str = "train_step") -> dict[str, object]:
        """A module for fairseq with another step of training, or of something before it."""
        module = self.folder / "another_step"
        module.mkdir()
        (module / "__init__.py").write_text(
            "import os, torch\nfrom fairseq.tasks.masked_lm import MaskedLMTask\n"
            f"def step(*_, **__):\n    {step}\nMaskedLMTask.{place} = step\n"
        )
        return {"common.user_dir": module}


@pytest.fixture
def trial(small: Workspace, tmp_path: Path) -> Iterator[Trial]:
    data = shutil.copytree(small.data_bin, tmp_path / "data 数据")
    with contextlib.ExitStack() as closing:
        yield Trial(tmp_path, data, small.checkpoints / LAST, closing)


def failure(small: Workspace, trial: Trial, make: Callable | None = None) -> CourseError:
    """The error of a training that is made to fail, in whose log stand older failures too."""
    values = overrides(small, SHORT) | {"task.data": trial.data, "hydra.run.dir": trial.folder}
    values |= {"checkpoint.save_dir": trial.folder / "checkpoints"}
    _, *words = train_command(CONFIG_FILE, values | (make(trial) if make else {}))
    limited = ["bash", "-c", f'ulimit {trial.limit} && exec "$@"', "bash"] if trial.limit else []
    trial.log.write_text(OLDER)
    with pytest.raises(CourseError) as caught:
        command = [*limited, sys.executable, "-P", str(LAUNCHER), *words]
        train(command, trial.log, max_update=SHORT.max_update, must_load=small.base_model)
    return caught.value


def no_memory_for_a_batch(trial: Trial) -> dict[str, object]:
    """Less than a GB for what the layers keep of 130 000 tokens."""
    trial.lines("train", ["262 " * 50] * 2_600)
    trial.limit = "-d 700000"
    small = {"task.tokens_per_sample": 64, "optimization.update_freq": [3]}
    return small | {"dataset.max_tokens": 400_000}


def no_memory_for_the_model(trial: Trial) -> dict[str, object]:
    trial.limit = "-d 2000000"
    return {"model.encoder_ffn_embed_dim": 10**7}


def killed(trial: Trial) -> dict[str, object]:
    return trial.plug_in("os.kill(os.getpid(), 9)")


def crashed(trial: Trial) -> dict[str, object]:
    return trial.plug_in("os.kill(os.getpid(), 11)")


def ended(trial: Trial) -> dict[str, object]:
    return trial.plug_in("os.kill(os.getpid(), 4)")


def no_memory_on_the_gpu(trial: Trial) -> dict[str, object]:
    """torch's own error raised on a computer without a GPU; what fairseq does then is its own.

    (It leaves the batch out; here each one, and so it would never end.)
    """
    return trial.plug_in(NO_MEMORY)


def no_memory_on_the_gpu_for_the_model(trial: Trial) -> dict[str, object]:
    return trial.plug_in(NO_MEMORY, "build_model")


def a_file_too_large(trial: Trial) -> dict[str, object]:
    trial.limit = "-f 10000"
    return {}


def no_numbers(trial: Trial) -> dict[str, object]:
    return {"optimization.lr": [1e30]}


def exploded(trial: Trial) -> dict[str, object]:
    return {"optimization.lr": [1.0]}


def no_smaller_scale(trial: Trial) -> dict[str, object]:
    """fp16 that runs on a processor: the first overflow is one too many."""
    half = {"common.fp16": True, "common.memory_efficient_fp16": True}
    return half | {"common.fp16_init_scale": 2**20, "common.min_loss_scale": 2**20}


def another_precision(trial: Trial) -> dict[str, object]:
    """It would go on in fp16, from single precision."""
    half = {"common.fp16": True, "common.memory_efficient_fp16": True}
    goes_on = {"checkpoint.finetune_from_model": None, "checkpoint.restore_file": trial.trained}
    return half | goes_on


def another_width(trial: Trial) -> dict[str, object]:
    return {"model.encoder_embed_dim": 64}


def more_layers(trial: Trial) -> dict[str, object]:
    return {"model.encoder_layers": 3}


def another_dictionary(trial: Trial) -> dict[str, object]:
    file = trial.data / "dict.txt"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-10]))
    return {}


def no_checkpoint(trial: Trial) -> dict[str, object]:
    file = trial.folder / "model.pt"
    file.write_bytes(b"no checkpoint")
    return {"checkpoint.finetune_from_model": file}


def a_long_line(trial: Trial) -> dict[str, object]:
    trial.lines("valid", ["262 " * 600])
    return {}


def only_long_lines(trial: Trial) -> dict[str, object]:
    trial.lines("train", ["262 " * 40] * 9)
    return {"dataset.max_tokens": 32}


def no_lines(trial: Trial) -> dict[str, object]:
    trial.lines("train", [])
    return {}


def no_train(trial: Trial) -> dict[str, object]:
    (trial.data / "train.bin").unlink()
    return {}


def no_dictionary(trial: Trial) -> dict[str, object]:
    (trial.data / "dict.txt").unlink()
    return {}


def an_index_too_large(trial: Trial) -> dict[str, object]:
    file = trial.data / "train.bin"
    file.write_bytes(b"\xff" * file.stat().st_size)
    return {}


def cut_data(trial: Trial) -> dict[str, object]:
    file = trial.data / "train.bin"
    file.write_bytes(file.read_bytes()[:-100])
    return {}


def an_index_of_no_kind(trial: Trial) -> dict[str, object]:
    (trial.data / "valid.idx").write_bytes(b"hello" * 9)
    return {}


def a_port_in_use(trial: Trial) -> dict[str, object]:
    other = trial.closing.enter_context(socket.create_server(("127.0.0.1", 0)))
    address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
    many = {"backend": "gloo", "world_size": 2, "rank": 0, "init_method": address}
    many["no_spawn"] = True
    many = {f"distributed_training.distributed_{name}": value for name, value in many.items()}
    return many | {"distributed_training.ddp_backend": "legacy_ddp"}


def no_gpu(trial: Trial) -> dict[str, object]:
    """The words depend on the build of torch: made without CUDA, or with it and no driver."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    return {"common.fp16": True}


def no_such_option(trial: Trial) -> dict[str, object]:
    return {"optimization.learning_rate": 3}


def no_such_value(trial: Trial) -> dict[str, object]:
    return {"optimization.max_epoch": "many"}


def no_such_choice(trial: Trial) -> dict[str, object]:
    return {"task.sample_break_mode": "word"}


def no_module(trial: Trial) -> dict[str, object]:
    return trial.plug_in("import not_installed_here")


Case = tuple[Callable[[Trial], dict[str, object]], str, str]
OFTEN: tuple[Case, ...] = (
    (
        no_memory_for_a_batch,
        r"memory is not enough for the batch after update 0 \([\d.]+ GB more are needed\)\.",
        "set max_tokens to 200000 and update_freq to 6, ",
    ),
    (
        killed,
        r"The system killed fairseq after update 0 \(signal 9\), most likely because memory",
        "Close other programs, .* smaller base model: a batch .* is one sample already",
    ),
    (
        another_width,
        r"another shape than the checkpoint: \S*embed_tokens.weight is 50265, 64 and not 50265, 32",
        "as the base has it",
    ),
)
LONG: tuple[Case, ...] = (
    (no_memory_for_the_model, r"to load fairseq, .* \(1\.3 GB more", "smaller base model"),
    (crashed, r"crashed after update 0 \(signal 11, a segmentation fault\)", "Run it again"),
    (ended, "ended after update 0 by signal 4", "Run it again"),
    (
        no_memory_on_the_gpu,
        r"of the GPU .* update 0 \(20\.00 GiB more are needed\)",
        "is one sample",
    ),
    (no_memory_on_the_gpu_for_the_model, r"enough for the model \(20\.00 GiB", "nvidia-smi"),
    (a_file_too_large, "larger than a file may be", "ulimit -f"),
    (no_numbers, "After update 0 the loss is no number", "lower learning rate"),
    (exploded, r"After update 6 the loss is [\d.]+ bits", "lower learning rate"),
    (no_smaller_scale, r"no scale of the loss .*\(the smallest is 1048576\.0\)", r"was 0\.001\)"),
    (more_layers, r"only one of them has \S*layers\.2\.", "as the base has it"),
    (another_dictionary, "gives 50255 vectors, and the checkpoint has 50265", "03_binarize"),
    (no_checkpoint, r"The checkpoint \S*/model\.pt is damaged", "Choose the base again"),
    (a_long_line, r"has 602 tokens, and the model reads 512 at most", "max_line_tokens"),
    (only_long_lines, r"all have more tokens than max_tokens = 32\.", "Raise max_tokens"),
    (no_lines, "A split of the data has no lines", "Split again"),
    (no_train, r"split train are not there: .*data 数据/train\.bin", "03_binarize"),
    (another_precision, "in another precision than it would go on in", "Set precision to what"),
    (no_dictionary, r"could not use .*data 数据/dict\.txt: No such file", "See that it is there"),
    (an_index_too_large, "stands for no word of the dictionary", "03_binarize"),
    (cut_data, "A file in data-bin is damaged", "03_binarize"),
    (an_index_of_no_kind, "A file in data-bin is damaged", "03_binarize"),
    (a_port_in_use, "is in use by another program", "another port"),
    (no_gpu, "need a GPU", "precision = auto"),
    (no_such_option, r"no option optimization\.learning_rate", "--help"),
    (no_such_value, r"does not take optimization\.max_epoch=many: Value 'many'", "another value"),
    (no_such_choice, "value of sample_break_mode: .* expected one of", "another value"),
    (no_module, "module not_installed_here is not installed", "make -B env"),
)
CASES = [
    *(pytest.param(*case, id=case[0].__name__) for case in OFTEN),
    *(pytest.param(*case, id=case[0].__name__, marks=pytest.mark.long) for case in LONG),
]


@pytest.mark.parametrize(("make", "happened", "mend"), CASES)
def test_it_is_said_what_happened_and_what_to_do(
    small: Workspace, trial: Trial, make: Callable, happened: str, mend: str
) -> None:
    error = failure(small, trial, make)
    assert re.search(happened, error.message) and re.search(mend, error.hint), error
    assert str(trial.log) in error.hint and error.message.endswith(".")


@pytest.mark.parametrize(
    "size", [25_000, *(pytest.param(size, marks=pytest.mark.long) for size in (100, 15_000))]
)
def test_on_a_full_disk_there_is_no_room_for_the_log_either(
    small: Workspace, trial: Trial, disk: Callable[[int], Path], size: int
) -> None:
    """There fairseq finds room for one checkpoint, for its log alone, or for a half checkpoint."""
    trial.folder = disk(size)
    error = failure(small, trial)
    assert re.search("There is no room .* on the disk of", error.message), error
    assert str(trial.folder) in error.message and "Make room there" in error.hint


@pytest.mark.long
def test_an_unknown_failure_shows_the_last_exception(small: Workspace, trial: Trial) -> None:
    step = "raise LookupError('no such thing\\nanywhere')"
    error = failure(small, trial, lambda trial: trial.plug_in(step))
    assert error.message.endswith("exit code 1:\nLookupError: no such thing\nanywhere")
    assert error.hint == f"The whole output is in {trial.log}."


@pytest.mark.parametrize(
    "said", ["Found no NVIDIA driver", "driver on your system is too old", "CUDA out of memory"]
)
def test_torch_says_of_a_gpu_what_is_looked_for(said: str) -> None:
    """Not a failure, only its words: a GPU that is full or has an old driver is rarely at hand."""
    import torch

    library = Path(torch.__file__).parent / "lib" / "libc10_cuda.so"
    if not library.is_file():
        pytest.skip("this torch was made without CUDA")
    assert said.encode() in library.read_bytes()
    assert any(re.search(failure.said, said) for failure in FAILURES)


def ends(folder: Path, script: str) -> CourseError:
    """What is said of a program that is not fairseq."""
    log = folder / "train.log"
    with pytest.raises(CourseError) as caught:
        train(["bash", "-c", script], log, max_update=9, must_load=None)
    return caught.value


def test_a_shell_says_the_signal_in_another_way(tmp_path: Path) -> None:
    assert "signal 9" in ends(tmp_path, "bash -c 'kill -9 $$'; exit $?").message
    assert "exit code 255" in ends(tmp_path, "exit 255").message


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ("vm: task 1: Killed", "killed fairseq after update 0 (signal 9)"),
        ("node-2: tasks 0-1: Exited with exit code 3", "exit code 3"),
        ("vm: task 0: Terminated", "signal 15"),
    ],
)
def test_srun_says_of_its_tasks_how_each_ended(says: str, said: str, tmp_path: Path) -> None:
    later = "echo 'srun: error: vm: task 0: Terminated'"
    script = f"echo 'srun: error: {says}'; {later}; exit 143"
    assert said in ends(tmp_path, script).message


def test_what_misses_another_process_is_not_what_has_happened(tmp_path: Path) -> None:
    trace = "Traceback (most recent call last):\n  File x\n    y = z\n"
    misses = f"{trace}RuntimeError: [pair.cc:1] Connection closed by peer [::1]\n"
    (tmp_path / "said").write_text(f"{trace}ValueError: odd\n\n{misses}")
    assert "ValueError: odd" in ends(tmp_path, f"cat '{tmp_path}/said'; exit 1").message
    (tmp_path / "said").write_text(misses)
    alone = ends(tmp_path, f"cat '{tmp_path}/said'; exit 1")
    assert "another process of this training" in alone.message


def test_of_a_long_output_the_beginning_and_the_end_are_read(tmp_path: Path) -> None:
    values = "'max_tokens': 4096, 'tokens_per_sample': 512, 'update_freq': [2], 'lr': [0.1]"
    error = ends(tmp_path, f'echo "{values}"; yes | head -c 2000000; kill -9 $$')
    assert "set max_tokens to 2048 and update_freq to 4, " in error.hint


def test_what_stands_in_a_path_is_no_failure(tmp_path: Path) -> None:
    said = "[2026][fairseq_cli.train][INFO] - {'_name': None, 'data': '/EADDRINUSE'}"
    overrides = "Error executing job with overrides: ['task.data=/EADDRINUSE']"
    error = ends(tmp_path, f'echo "{said}"; echo "{overrides}"; echo Stopped.; exit 3')
    assert error.message == "fairseq ended with exit code 3:\nStopped."
