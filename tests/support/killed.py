"""Work that is killed (SIGKILL) just before its n-th change to the disk.

A change is opening a file to write, the first write to it, renaming, removing, making a folder.
"""

import os
import signal
import sys
from collections.abc import Callable

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link"}
TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
WRITES = {"write", "writelines", "tofile", "sendfile"}


def killed(work: Callable[[], object], step: int) -> bool:
    """Do the work in another process that is killed before its n-th change to the disk.

    Returns:
        Whether there was such a step; if not, the work was done to its end.
    """
    process = os.fork()
    if process == 0:
        left, opened = iter(range(1, step)), False

        def count() -> None:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        def audit(event: str, arguments: tuple) -> None:
            nonlocal opened
            if event == "open" and (arguments[2] or 0) & TO_WRITE:
                opened = True
                count()
            elif event in CHANGES:
                count()

        def profile(_: object, event: str, function: object) -> None:
            nonlocal opened
            if opened and event == "c_call" and function.__name__ in WRITES:
                opened = False
                count()

        try:
            sys.addaudithook(audit)
            sys.setprofile(profile)
            work()
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status) or status == 0
    return os.WIFSIGNALED(status)
