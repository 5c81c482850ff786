"""One word, put together by hand: a slider from its bytes to its tokens."""

import threading

import ipywidgets as widgets

from helpers.common.errors import CourseError
from helpers.explorer.html.merges import all_merges, merge_step
from helpers.explorer.merges import merge_steps
from helpers.panels.look import QUIET, look, said, wide
from helpers.tokens.readable import readable


class MergeWalk(widgets.VBox):
    """Walks through the merges of a word; :meth:`show` gives it another one."""

    def __init__(self) -> None:
        self.word, self.steps = b"", merge_steps(b"")
        self.heading, self.view = widgets.HTML(), widgets.HTML(layout=wide())
        self.slider = widgets.IntSlider(max=0, **look("merges"))
        self.play = widgets.Play(interval=900)  # milliseconds a merge
        for end in ("value", "max"):
            widgets.jslink((self.play, end), (self.slider, end))
        self.one_at_a_time = threading.RLock()
        self.slider.observe(self._draw, "value")
        row = widgets.HBox((self.slider, self.play))
        super().__init__((self.heading, row, self.view))

    def show(self, word: bytes) -> None:
        """Begin with the bytes of a word."""
        with self.one_at_a_time:
            self.word = word
            name = said(f"How “{readable(word)}” is put together", "font-weight:bold")
            try:
                self.steps = merge_steps(word)
            except CourseError as error:
                self.steps = []
                name += said(str(error), QUIET)
            self.heading.value = name
            self.slider.value, self.slider.max = 0, max(0, len(self.steps) - 1)
            self._draw()

    def _draw(self, _: object = None) -> None:
        with self.one_at_a_time:
            number = self.slider.value
            self.view.value = merge_step(self.steps, number) if number < len(self.steps) else ""

    def html(self) -> str:
        """All steps below each other, as static HTML."""
        return f"{self.heading.value}{all_merges(self.steps)}"
