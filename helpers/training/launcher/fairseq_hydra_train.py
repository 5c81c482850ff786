"""``fairseq-hydra-train`` that loses little, however it ends.

By itself fairseq saves a checkpoint where it validates, and dies at once when it is told to end
(SIGTERM); and it copies its checkpoints, so that a kill can leave half of one. Run as a program,
with the tool's own arguments.

It also gives back what NumPy 2 has removed and fairseq's samples of single lines
(``sample_break_mode=eos``) still ask for: the name ``numpy.compat.long``, which is ``int``. It
begins in two thirds of the time, since what no masked language model needs is not imported; and it
trains faster (see :mod:`helpers.training.launcher.fairseq_faster`).
"""

import contextlib
import os
import shutil
import signal
import sys
import time
import types
from pathlib import Path

import numpy as np
import torch


@contextlib.contextmanager
def left_out(*names):
    """Within it, nobody gets these modules, but names without anything behind them."""

    class Empty(types.ModuleType):
        def __getattr__(self, name):
            return None

    made = {name: Empty(name) for name in names if name not in sys.modules}
    sys.modules |= made
    yield
    for name in made:
        del sys.modules[name]


# fairseq imports all its criterions and tasks, and these are what two of them ask for.
with left_out("sklearn", "sklearn.metrics", "scipy", "scipy.stats"):
    import fairseq_cli.train
    from fairseq import checkpoint_utils
    from fairseq.data import LRUCacheDataset
    from fairseq.logging import metrics
    from fairseq.trainer import Trainer
    from fairseq_cli.hydra_train import cli_main

    # It is run by its path; the course's modules are those that lie around it.
    sys.path.insert(0, str(Path(__file__).parents[3]))
    from helpers.training.launcher.fairseq_faster import make_faster

# The methods of optimizers would import the whole of torch.compile, to be left alone by it.
for method in vars(torch.optim.Optimizer).values():
    if hasattr(method, "__wrapped__"):
        setattr(method.__wrapped__, "__dynamo_disable", method.__wrapped__)

SAVE_EVERY = float(os.environ.get("ROBERTA_COURSE_SAVE_EVERY", "120"))  # seconds; tests shorten it
if not hasattr(np, "compat"):
    np.compat = types.SimpleNamespace(long=int)

validate_and_save = fairseq_cli.train.validate_and_save
should_stop_early = fairseq_cli.train.should_stop_early  # it counts on itself, in the process
set_epoch = LRUCacheDataset.set_epoch
save_checkpoint, load_checkpoint = Trainer.save_checkpoint, Trainer.load_checkpoint
told: list[int] = []
saved = time.monotonic()


def validate_and_save_in_time(cfg, trainer, task, epoch_itr, valid_subsets, end_of_epoch):
    """Called after every update: save by the clock, and save and stop when told to.

    Nothing is measured then (it may take minutes), so that what is saved is no candidate for
    ``checkpoint_best.pt``. Where fairseq measures and saves, it does that instead: a run that goes
    on from there would not measure it any more.
    """
    global saved
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    updates, every = trainer.get_num_updates(), cfg.checkpoint.save_interval_updates
    is_due = end_of_epoch or updates >= cfg.optimization.max_update
    is_due = is_due or (every > 0 and updates % every == 0)
    ends = any_was_told(trainer.device)
    if not is_due and (ends or time.monotonic() - saved >= SAVE_EVERY):
        checkpoint_utils.save_checkpoint(cfg.checkpoint, trainer, epoch_itr, None)
        saved = time.monotonic()
        if ends:
            return [None], True
    losses, stop = validate_and_save(cfg, trainer, task, epoch_itr, valid_subsets, end_of_epoch)
    if is_due:
        saved = time.monotonic()
    return losses, stop or ends


def any_was_told(device):
    """Whether this process was told to end, or another of the same training: they end together."""
    if not torch.distributed.is_initialized():
        return bool(told)
    number = torch.tensor(len(told), device=device)
    torch.distributed.all_reduce(number)
    return number.item() > 0


def save_whole(state, file, async_write=False):
    """Write a checkpoint that appears whole or not at all, on the disk too.

    fairseq tries again where a write fails, behind what it has written: where the disk was full
    for a moment, that is a checkpoint which nobody can read.
    """
    with open(f"{file}.tmp", "wb") as draft:  # noqa: PTH123 (fairseq's paths are texts)
        torch.save(state, draft)
        draft.flush()
        os.fsync(draft.fileno())
    os.replace(f"{file}.tmp", file)  # noqa: PTH105


def copy_whole(source, target, overwrite=False):
    """Give a checkpoint a second name, under which it too is there whole or as it was before.

    A checkpoint is replaced and never changed: so two names may lead to one file.
    """
    draft = f"{target}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.remove(draft)  # noqa: PTH107
    try:
        os.link(source, draft)
    except OSError:  # some disks know no second names
        shutil.copyfile(source, draft)
    os.replace(draft, target)  # noqa: PTH105
    return True


def set_epoch_and_forget(dataset, epoch):
    """fairseq keeps the last eight samples, and would hide the same of them in the next epoch.

    A run that goes on from a checkpoint has kept none, and would not train the same.
    """
    LRUCacheDataset.__getitem__.cache_clear()
    set_epoch(dataset, epoch)


def save_with_the_wait(trainer, file, extra_state):
    """What ``patience`` has counted is saved, too, and the ``max_update`` for which that was."""
    waited = getattr(should_stop_early, "num_runs", 0), trainer.cfg.optimization.max_update
    return save_checkpoint(trainer, file, {**extra_state, "waited": waited})


def load_with_means_and_wait(trainer, *arguments, reset_meters=False, **options):
    """A run that goes on is to be as one that was never broken off.

    At the beginning of an epoch, fairseq forgets what the next point of the curve is made of; and
    always the lowest loss and the validations since, of which ``patience`` has so many. With
    another ``max_update`` these are counted anew: it has other rates from there on.
    """
    state = load_checkpoint(trainer, *arguments, reset_meters=reset_meters, **options)
    if not state or reset_meters:
        return state
    if means := state.get("metrics", {}).get("train_inner"):
        metrics.load_state_dict({"train_inner": means})
    if "best" in state:
        number, of = state.get("waited", (0, 0))
        is_same = of == trainer.cfg.optimization.max_update
        should_stop_early.best, should_stop_early.num_runs = state["best"], number * is_same
    return state


make_faster()
fairseq_cli.train.validate_and_save = validate_and_save_in_time
LRUCacheDataset.set_epoch = set_epoch_and_forget
Trainer.save_checkpoint = save_with_the_wait
Trainer.load_checkpoint = load_with_means_and_wait
checkpoint_utils.torch_persistent_save = save_whole
checkpoint_utils.PathManager.copy = staticmethod(copy_whole)

if __name__ == "__main__":
    cli_main()
