"""What fairseq's training hides of a text, another part in each epoch."""

import threading
import typing

import ipywidgets as widgets
import numpy as np

from helpers.common.errors import CourseError
from helpers.common.symbols import BOS, EOS
from helpers.explorer.html.masks import masked_strip
from helpers.explorer.text import explore
from helpers.ids.dictionary import Dictionary
from helpers.panels.look import QUIET, WARNING, look, said, wide
from helpers.workflow.parameters import bounds
from helpers.workflow.training_settings import FinetuneSettings

MOST = 512  # indices in a sample
SEED, UNIT = (FinetuneSettings.model_fields[name] for name in ("seed", "mask_unit"))


class MaskPreview(widgets.VBox):
    """Shows a text as one training sample; :meth:`show` gives it another text.

    The text is read in lines, as training reads it.
    """

    def __init__(self, dictionary: Dictionary | None) -> None:
        self.dictionary, self.text, self.epoch = dictionary, "", 1
        limits = bounds(SEED)
        self.seed = widgets.BoundedIntText(
            value=SEED.default, min=limits["ge"], max=limits["le"], **look("seed")
        )
        units = typing.get_args(UNIT.annotation)
        self.unit = widgets.Dropdown(options=units, value=UNIT.default, **look("mask_unit"))
        self.next = widgets.Button(description="Next epoch")
        self.view = widgets.HTML(layout=wide())
        self.one_at_a_time = threading.RLock()
        heading = widgets.HTML("<b>What training hides of it</b>")
        super().__init__((heading, widgets.HBox((self.seed, self.next)), self.unit, self.view))
        for control in (self.seed, self.unit):
            control.observe(self._draw, "value")
        self.next.on_click(self._next)

    def show(self, text: str) -> None:
        """Hide parts of this text, in the epoch that is shown."""
        with self.one_at_a_time:
            self.text = text
            self._draw()

    def _next(self, _: widgets.Button) -> None:
        with self.one_at_a_time:
            self.epoch += 1
            self._draw()

    def _draw(self, _: object = None) -> None:
        with self.one_at_a_time:
            self.view.value = f"<div style='line-height:1.4'>{self.html()}</div>"

    def html(self) -> str:
        """The sample after masking, as static HTML."""
        if self.dictionary is None:
            need = "It needs the dictionary of a model: make one in notebook 00_setup."
            return said(need, QUIET)
        ids = explore(self.text, self.dictionary).ids
        indices = np.where(ids < 0, EOS, self.dictionary.from_gpt2[ids])
        sample = np.concatenate(([BOS], indices))[:MOST]
        draw = (self.seed.value, self.epoch, self.unit.value)
        try:
            return masked_strip(sample, self.dictionary, *draw)
        except CourseError as error:
            return said(str(error), WARNING)
