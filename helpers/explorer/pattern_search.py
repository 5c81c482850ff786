"""A regular expression in many texts, in a process of its own, which can be stopped.

Some patterns take for ever to be compiled, or all of the memory, and nothing in the own process
could end that.
"""

import functools
import json
import subprocess
import sys
from collections.abc import Sequence

from helpers.common.errors import CourseError
from helpers.common.foreign_code import refuse_foreign_code
from helpers.common.processes import child

PATIENCE = 1  # seconds of the processor or a little more, for compiling and searching
WAITING = 10  # seconds on the clock, on a machine that does other things too
MEMORY = 1 << 30  # bytes
SHOWN = 60  # characters of a pattern
_SEARCH = """
import contextlib, json, sys, warnings
import regex
pattern, texts, seconds, memory = json.load(sys.stdin)
with contextlib.suppress(ImportError, ValueError, OSError):  # Windows, macOS
    import resource
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 1,) * 2)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
warnings.simplefilter("ignore")
try:
    search = regex.compile(pattern).search
    answer = [i for i, text in enumerate(texts) if search(text, timeout=seconds)]
except (regex.error, ValueError, OverflowError, KeyError, IndexError, TypeError) as error:
    answer = str(error)[:200] or type(error).__name__
except (TimeoutError, RecursionError, MemoryError):
    answer = None
json.dump(answer, sys.stdout)
"""


@functools.lru_cache(maxsize=8)
def matching(pattern: str, texts: Sequence[str]) -> list[int]:
    """The places of the texts in which a regular expression is found.

    Raises:
        CourseError: it is none, or takes too much time or memory, for compiling, too.
    """
    refuse_foreign_code()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with child([sys.executable, "-P", "-c", _SEARCH], text=True, **pipes) as process:
        given = json.dumps((pattern, texts, PATIENCE, MEMORY))
        try:
            found, _ = process.communicate(given, timeout=WAITING)
            # One that was ended may have written a part of it.
            answer = None if process.returncode else json.loads(found)
        except subprocess.TimeoutExpired:
            process.kill()
            answer = None
    shown = repr(pattern[:SHOWN]) + (" …" if pattern[SHOWN:] else "")
    if answer is None:
        raise CourseError(
            f"The search for {shown} takes too long, or too much memory.",
            "Use a simpler regular expression.",
        )
    if isinstance(answer, str):
        raise CourseError(
            f"{shown} is not a regular expression: {answer}.",
            "Write a backslash before signs that are meant as they are, such as \\( or \\+.",
        )
    return answer
