"""Errors that a person can act on: what happened, and what to do about it."""

from helpers.common.names import printable


class CourseError(Exception):
    """Something the user can mend. Shown without a traceback, as two sentences.

    Args:
        message: what happened, naming the file, line or value.
        hint: what to do about it.

    >>> print(CourseError("notes.txt is empty.", "Put some text into it."))
    notes.txt is empty.
    Put some text into it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = printable(message), printable(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}".rstrip()

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in a notebook instead of a traceback."""
        return [f"{type(self).__name__}: {self.message}", *([self.hint] if self.hint else [])]


class StageMissing(CourseError):
    """An input is not there yet: an earlier notebook has to be run first."""


class StageStale(CourseError):
    """An input was made from something that has changed since."""


class DamagedFile(CourseError):
    """A file is not what its format says; the message names the file and the position."""


class InUse(CourseError):
    """Another run is working in the same workspace."""


class Stopped(KeyboardInterrupt):
    """A person has stopped the work: what is kept of it, and how to go on."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in a notebook instead of a traceback."""
        return [str(self)]
