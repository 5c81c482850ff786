"""A loop in PyTorch with nothing in it that it could do without."""

import math

import torch

from tests.benchmarks.training.trained import (
    BETAS,
    DECAY,
    EPS,
    LONGEST,
    RATE,
    SHARE,
    Clock,
    Task,
)


def main() -> None:
    """Train, and tell tokens a second and the losses."""
    task, clock = Task.of_arguments(), Clock()
    torch.manual_seed(1)
    model, mask = task.model(), task.dictionary().mask
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    adam = torch.optim.AdamW(model.parameters(), RATE, BETAS, EPS, weight_decay=DECAY, fused=True)
    pad = model.config.pad_token_id
    for batch in task.batches():
        true = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(sample.astype("int64")) for sample in batch], True, pad
        ).to(device)
        hidden = (torch.rand(true.shape, device=device) < SHARE) & (true != pad)
        lot = torch.rand(true.shape, device=device)
        seen = true.masked_fill(hidden & (lot < 0.8), mask)
        others = torch.randint_like(true, 4, mask)
        seen = torch.where(hidden & (lot >= 0.9), others, seen)
        with torch.autocast(device.type, torch.bfloat16, enabled=task.precision == "bf16"):
            states = model.roberta(seen, attention_mask=(true != pad).long()).last_hidden_state
            logits = model.lm_head(states[hidden])
            loss = torch.nn.functional.cross_entropy(logits.float(), true[hidden])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), LONGEST)
        adam.step()
        adam.zero_grad()
        clock.update(sum(map(len, batch)), float(loss) / math.log(2))
    clock.tell()


if __name__ == "__main__":
    main()
