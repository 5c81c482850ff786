"""A training sample after masking as HTML that needs nothing else: inline styles, no script."""

import html

import numpy as np

from helpers.common.symbols import EOS
from helpers.explorer.html.tokens import WHITE, framed, in_line, over
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import token_text
from helpers.training.masking import Fate, mask_sample

# What the model has to guess has a thick frame; its kind tells the colour, and prints as a line.
STYLES = {
    Fate.MASKED: ("#99DDFF", "border:2px solid #000", "hidden behind <mask>"),
    Fate.REPLACED: ("#FFAABB", "border:2px dashed #000", "replaced by a random token"),
    Fate.LEFT: ("#EEDD88", "border:2px dotted #000", "left as they are, but to be guessed"),
}


def masked_strip(sample: np.ndarray, dictionary: Dictionary, seed: int, epoch: int) -> str:
    """What the model sees of a sample, and below each chosen token what it has to guess.

    Args:
        sample: dictionary indices from ``<s>`` to the last ``</s>``.
    """
    seen, fates = mask_sample(sample, dictionary, seed=seed, epoch=epoch)
    parts = []
    for true, shown, fate in zip(sample.tolist(), seen.tolist(), fates.tolist(), strict=True):
        name = token_text(shown, dictionary)
        if fate == Fate.UNTOUCHED:
            parts.append(framed(name, WHITE))
        else:
            colour, style, _ = STYLES[fate]
            parts.append(
                over(framed(name, colour, style), html.escape(token_text(true, dictionary)))
            )
        if true == EOS:
            parts.append("<br>")
    legend = " · ".join(
        f"{framed(str((fates == fate).sum()), colour, style)} {html.escape(said)}"
        for fate, (colour, style, said) in STYLES.items()
    )
    chosen = int((fates != Fate.UNTOUCHED).sum())
    said = f"Epoch {epoch}: {chosen} of {len(sample)} positions are to be guessed: {legend}"
    return f"<div>{in_line(*parts)}<div>{said}</div></div>"
