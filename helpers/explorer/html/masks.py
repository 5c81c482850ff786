"""A training sample after masking as HTML that needs nothing else: inline styles, no script."""

import collections
import html

import numpy as np

from helpers.common.symbols import EOS
from helpers.explorer.html.tokens import WHITE, framed, in_line, over
from helpers.ids.dictionary import Dictionary
from helpers.ids.token_names import text_of, tokens_text
from helpers.tokens.units import of_undivided, without_spaces
from helpers.training.masking import Fate, mask_sample, units_of

# What the model has to guess has a thick frame; its kind tells the colour, and prints as a line.
STYLES = {
    Fate.MASKED: ("#99DDFF", "border:2px solid #000", "hidden behind <mask>"),
    Fate.REPLACED: ("#FFAABB", "border:2px dashed #000", "replaced by a random token"),
    Fate.LEFT: ("#EEDD88", "border:2px dotted #000", "left as they are, but to be guessed"),
}


def masked_strip(
    sample: np.ndarray, dictionary: Dictionary, seed: int, epoch: int, unit: str = "token"
) -> str:
    """What the model sees of a sample, and below each chosen unit what it has to guess.

    Args:
        sample: dictionary indices from ``<s>`` to the last ``</s>``.
        unit: what is hidden as a whole: ``token``, ``character`` or ``word``.

    Raises:
        CourseError: words of Chinese are to be found, and the segmenter is not installed.
    """
    units = units_of(sample, dictionary, unit)
    drawn = None if unit == "token" else units
    seen, fates = mask_sample(sample, dictionary, drawn, seed=seed, epoch=epoch)
    ends = np.cumsum(units)
    parts = []
    for first, end in zip((ends - units).tolist(), ends.tolist(), strict=True):
        true, fate = sample[first:end].tolist(), Fate(fates[first])
        colour, style, _ = STYLES.get(fate, (WHITE, "", ""))
        frames = "".join(
            framed(tokens_text([index], dictionary), colour, style) for index in seen[first:end]
        )
        if fate != Fate.UNTOUCHED:
            frames = over(frames, html.escape(tokens_text(true, dictionary)))
        parts.append(frames + "<br>" * (EOS in true))
    legend = " · ".join(
        f"{framed(str((fates == fate).sum()), colour, style)} {html.escape(said)}"
        for fate, (colour, style, said) in STYLES.items()
    )
    chosen = int((fates != Fate.UNTOUCHED).sum())
    said = f"Epoch {epoch}: {chosen} of {len(sample)} positions are to be guessed: {legend}"
    if unit == "word":
        scripts = without_spaces(collections.Counter(text_of(sample, dictionary)))
        said += f"<div>{html.escape(of_undivided(scripts, 'This text'))}</div>"
    return f"<div>{in_line(*parts)}<div>{said}</div></div>"
