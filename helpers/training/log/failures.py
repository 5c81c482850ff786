"""The ways in which a training fails: what fairseq prints, what happened, and what to do about it.

The rows of ``FAILURES`` are read from above, and the first whose pattern is found counts: what is
certain stands before what is only likely. A new way to fail is a new row, and a test in which
fairseq fails like that.
"""

import dataclasses

from helpers.training.log.events import BEGINS

DIVERGED = (
    "After update {update} the loss is no number any more (NaN or infinite): the training has "
    "diverged."
)
CALMER = "Train with a lower learning rate, or a longer warm-up"


@dataclasses.dataclass(frozen=True)
class Failure:
    """One way in which a training fails.

    Attributes:
        said: a regular expression for what fairseq printed, or for one of the lines that are put
            below it: ``exit code 1`` or ``signal 9``, and ``disk full`` where it is.
        happened: the first sentence. ``{0}``, ``{1}`` … are the groups of the pattern; ``{update}``
            is the last update that was heard of, ``{folder}`` that of the training, ``{asked}`` the
            memory that was asked for.
        is_memory: there was not enough of it for a batch, and might be for a smaller one.
        mend: the second one. ``{less}`` is how this run needs less memory at a time, ``{lr}`` its
            learning rate.
    """

    said: str
    happened: str
    mend: str
    is_memory: bool = False


def _error(text: str) -> str:
    """A pattern for the line of an exception which has such a text."""
    return rf"^[\w.]*(?:Error|Exception): [^\n]*?{text}"


_BEGUN = rf"\A(?s:(?>.*?{BEGINS}).*?)"  # looked for once: a log is long
_MEMORY = (
    r"(?:^MemoryError|^[\w.]+: [^\n]*(?:"
    r"can't allocate memory|not enough memory|Cannot allocate memory|Unable to allocate"
    r"|failed to map segment)|std::bad_alloc)"
)
_GPU_MEMORY = (
    r"(?:CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
    r"|Ran out of memory with exception)"
)

FAILURES = (
    Failure(
        rf"{_BEGUN}{_GPU_MEMORY}",
        "The memory of the GPU is not enough for the batch after update {update}{asked}.",
        "{less}",
        is_memory=True,
    ),
    Failure(
        _GPU_MEMORY,
        "The memory of the GPU is not enough for the model{asked}.",
        "End what else uses the GPU (nvidia-smi shows it), or take a smaller base model",
    ),
    Failure(
        rf"{_BEGUN}{_MEMORY}",
        "The computer's memory is not enough for the batch after update {update}{asked}.",
        "{less}",
        is_memory=True,
    ),
    Failure(
        _MEMORY,
        "The computer's memory is not enough to load fairseq, the model and the data{asked}.",
        "Close other programs, or take a smaller base model or a computer with more memory",
    ),
    Failure(
        r"^OSError: \[Errno \d+\] (No space left on device|Disk quota exceeded)",
        "There is no room for a checkpoint on the disk of {folder} ({0}).",
        "Make room there, or take a workspace on another disk; then run it again",
    ),
    Failure(
        r"^OSError: \[Errno 27\] File too large",
        "A checkpoint is larger than a file may be on the disk of {folder}, or for this user.",
        "Take a workspace on another disk, or raise the limit (ulimit -f)",
    ),
    Failure(
        r"^FloatingPointError: Minimum loss scale reached \(([^)]*)\)",
        "After update {update} no scale of the loss keeps the gradients in half precision's "
        "range (the smallest is {0}): the training has most likely diverged.",
        "Train with a lower learning rate (it was {lr}) or a longer warm-up, or precision = fp32",
    ),
    Failure(
        r"^FloatingPointError: gradients are Nan/Inf|(?:NaN|Inf) detected in output of",
        DIVERGED,
        CALMER,
    ),
    Failure(
        r"size mismatch for \S*embed_tokens\.weight: [^\n]*Size\(\[(\d+), (\d+)\]\) from "
        r"checkpoint, [^\n]*Size\(\[(\d+), \2\]\)",
        "The dictionary of the data gives {2} vectors, and the checkpoint has {0}: it is not the "
        "dictionary of this model.",
        "Binarize again (notebook 03_binarize) with the dictionary that belongs to the base model",
    ),
    Failure(
        r"^AssertionError: Optimizer does not match",
        "What was trained so far was trained in another precision than it would go on in: fp16 has "
        "another optimizer than fp32 and bf16.",
        "Set precision to what it was (run.json beside the checkpoints says that), or begin again "
        "with force",
    ),
    Failure(
        r"size mismatch for (\S+): [^\n]*Size\(\[([\d, ]*)\]\) from checkpoint, "
        r"[^\n]*Size\(\[([\d, ]*)\]\)",
        "The model to be trained has another shape than the checkpoint: {0} is {2} and not {1}.",
        "Leave the shape of the model as the base has it, or choose the base again (notebook "
        "00_setup)",
    ),
    Failure(
        r'(?:Missing|Unexpected) key\(s\) in state_dict: "([^"]+)"',
        "The model to be trained is built otherwise than the checkpoint: only one of them has {0}.",
        "Leave the shape of the model as the base has it, or choose the base again (notebook "
        "00_setup)",
    ),
    Failure(
        r"Preparing to load checkpoint ([^\n]+)\n(?s:.*?)"
        r"^(?:RuntimeError: PytorchStreamReader failed|_pickle\.UnpicklingError: )",
        "The checkpoint {0} is damaged, or none that torch opens safely.",
        "Choose the base again (notebook 00_setup), or delete what an unfinished training left",
    ),
    Failure(
        _error(r"Size of sample #(\d+) is invalid \(=\(?(\d+)[^)]*\)+ since max_positions=(\d+)"),
        "A line of the validation text has {1} tokens, and the model reads {2} at most.",
        "Split again (notebook 01_split) with a smaller max_line_tokens, or raise max_tokens",
    ),
    Failure(
        _error("The dataset is empty"),
        "No sample is left to train on: there are no lines, or all have more tokens than "
        "max_tokens = {max_tokens}.",
        "Raise max_tokens, or split again (notebook 01_split) with a smaller max_line_tokens",
    ),
    Failure(
        _error(r"Dataset not found: (\w+) \((.+)\)"),
        "The data of the split {0} are not there: {1}.bin and {1}.idx.",
        "Binarize again (notebook 03_binarize)",
    ),
    Failure(
        r"^IndexError: index out of range in self|CUDA error: device-side assert triggered",
        "A number in the data stands for no word of the dictionary.",
        "Binarize again (notebook 03_binarize) with the dictionary that belongs to the base model",
    ),
    Failure(
        r"^ValueError: cannot mmap an empty file",
        "A split of the data has no lines, and training needs it.",
        "Split again (notebook 01_split) with a larger share for it",
    ),
    Failure(
        r"^ValueError: (?:buffer is smaller than requested size|mmap length is greater than file)"
        r"|^AssertionError: Index file doesn't match expected format",
        "A file in data-bin is damaged: it is shorter than its index says, or no index at all.",
        "Binarize again (notebook 03_binarize)",
    ),
    Failure(
        r"EADDRINUSE|[Aa]ddress already in use",
        "The port at which the processes of this training meet is in use by another program.",
        "End the other program (or an older training), or choose another port in "
        "distributed_init_method, the same one for all processes",
    ),
    Failure(
        r"driver on your system is too old|CUDA driver version is insufficient",
        "The driver of the GPU is too old for this build of torch.",
        "Update the driver, or install torch for the CUDA version that nvidia-smi shows",
    ),
    Failure(
        r"no kernel image is available for execution on the device",
        "This build of torch has no code for a GPU of this age.",
        "Install a build of torch that has it, or train on the processor (device = cpu)",
    ),
    Failure(
        r"Torch not compiled with CUDA enabled|Found no NVIDIA driver|No CUDA GPUs are available",
        "The settings need a GPU, as half precision (fp16) does, and torch finds none.",
        "Set precision = auto and device = auto, or install torch with CUDA on a computer that has "
        "a GPU and its driver",
    ),
    Failure(
        r"^Could not override '([^']+)'",
        "fairseq has no option {0}.",
        "Correct its name; fairseq-hydra-train --help shows all options",
    ),
    Failure(
        r"^Error merging override ([^\n]*)\n([^\n]*)",
        "fairseq does not take {0}: {1}.",
        "Give this option another value",
    ),
    Failure(
        r"^omegaconf\.errors\.\w+: ([^\n]+)\n\s+full_key: (\S+)",
        "fairseq does not take this value of {1}: {0}.",
        "Give this option another value",
    ),
    Failure(
        r"^([^\n]*)\nSee https://hydra\.cc/docs/\S*override_grammar",
        "fairseq cannot read an option: {0}.",
        "Put quotation marks around its value, and see that brackets are closed",
    ),
    Failure(
        r"^ModuleNotFoundError: No module named '([^']+)'",
        "The Python module {0} is not installed here.",
        "Install everything anew (make -B env)",
    ),
    Failure(
        r"^[A-Z]\w*Error: \[Errno \d+\] ([^:\n]+): '([^\n]+)'",
        "fairseq could not use {1}: {0}.",
        "See that it is there, and may be read and written; then run it again",
    ),
    Failure(
        r"^disk full$",
        "There is no room any more on the disk of {folder}, and fairseq ended.",
        "Make room there, or take a workspace on another disk; then run it again",
    ),
    Failure(
        r"signal (?:9|SIGKILL)$",
        "The system killed fairseq after update {update} (signal 9), most likely because memory "
        "ran out.",
        "{less}",
        is_memory=True,
    ),
    Failure(
        r"signal (?:11|SIGSEGV)$",
        "fairseq crashed after update {update} (signal 11, a segmentation fault): the fault is in "
        "compiled code, or in the machine's memory.",
        "Run it again; where it crashes once more, install everything anew (make -B env)",
    ),
    Failure(
        r"signal (?:15|SIGTERM)$",
        "Another program ended fairseq after update {update} (signal 15), as a cluster does "
        "when time is up.",
        "Run it again",
    ),
    Failure(
        r"signal (\d+|SIG\w+)$",
        "fairseq was ended after update {update} by signal {0}.",
        "Run it again; where that happens once more, install everything anew (make -B env)",
    ),
)
