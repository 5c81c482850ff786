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
    """Called after every update: save without measuring, which may take minutes, and stop."""
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    last = end_of_epoch or trainer.get_num_updates() >= cfg.optimization.max_update
    if told and not last:
        checkpoint_utils.save_checkpoint(cfg.checkpoint, trainer, epoch_itr, None)
        return [None], True
    losses, stop = validate_and_save(cfg, trainer, task, epoch_itr, valid_subsets, end_of_epoch)
    return losses, stop or bool(told)


fairseq_cli.train.validate_and_save = validate_and_save_when_told

if __name__ == "__main__":
    cli_main()
