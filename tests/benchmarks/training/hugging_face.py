"""Hugging Face's ``Trainer`` with its own collator of masked language modelling."""

import math

import numpy as np
import torch
from transformers import (
    DataCollatorForLanguageModeling,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from helpers.models.hf.folder import tokenizer_of
from tests.benchmarks.training.trained import (
    BETAS,
    DECAY,
    EPS,
    LONGEST,
    RATE,
    SAMPLE,
    SHARE,
    Clock,
    Task,
)


class Watch(TrainerCallback):
    """Looks at the clock after each update."""

    def __init__(self, clock: Clock, sizes: list[int]) -> None:
        self.clock, self.sizes = clock, sizes

    def on_step_end(self, args, state, control, **others) -> None:
        self.clock.update(self.sizes[state.global_step - 1])

    def on_log(self, args, state, control, logs: dict, **others) -> None:
        if "loss" in logs:
            self.clock.losses.append(float(logs["loss"]) / math.log(2))


def main() -> None:
    """Train, and tell tokens a second and the losses."""
    task, clock = Task.of_arguments(), Clock()
    batches = list(task.batches())
    samples = [{"input_ids": sample.astype(np.int64)} for batch in batches for sample in batch]
    arguments = TrainingArguments(
        output_dir=str(task.workspace / "hugging-face"),
        per_device_train_batch_size=task.rows,
        max_steps=task.updates,
        learning_rate=RATE,
        weight_decay=DECAY,
        adam_beta1=BETAS[0],
        adam_beta2=BETAS[1],
        adam_epsilon=EPS,
        max_grad_norm=LONGEST,
        optim="adamw_torch_fused",
        bf16=task.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        train_sampling_strategy="sequential",
        save_strategy="no",
        report_to="none",
        logging_steps=1,
        disable_tqdm=True,
        seed=1,
    )
    tokenizer = tokenizer_of(task.dictionary(), SAMPLE)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=SHARE)
    watch = Watch(clock, [sum(map(len, batch)) for batch in batches])
    trainer = Trainer(task.model(), arguments, collator, train_dataset=samples, callbacks=[watch])
    trainer.train()
    clock.tell()


if __name__ == "__main__":
    main()
