"""``fairseq-hydra-train`` that saves a checkpoint when it is told to end (SIGTERM).

By itself fairseq dies at once, and what was trained since the last checkpoint is lost. Run as a
program, with the tool's own arguments.
"""

import signal

import fairseq_cli.train
from fairseq import checkpoint_utils
from fairseq_cli.hydra_train import cli_main

validate_and_save = fairseq_cli.train.validate_and_save
told: list[int] = []


def validate_and_save_when_told(cfg, trainer, task, epoch_itr, valid_subsets, end_of_epoch):
    """Called after every update: save and stop, without measuring where that is not due.

    (It may take minutes.)
    """
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    updates, every = trainer.get_num_updates(), cfg.checkpoint.save_interval_updates
    last = end_of_epoch or updates >= cfg.optimization.max_update
    if told and not last and (every <= 0 or updates % every):
        checkpoint_utils.save_checkpoint(cfg.checkpoint, trainer, epoch_itr, None)
        return [None], True
    losses, stop = validate_and_save(cfg, trainer, task, epoch_itr, valid_subsets, end_of_epoch)
    return losses, stop or bool(told)


fairseq_cli.train.validate_and_save = validate_and_save_when_told

if __name__ == "__main__":
    cli_main()
