"""Objects that do harm when they are unpickled."""

import os
from pathlib import Path


class CreatesAFile:
    """Unpickling it runs a command."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.system, (f"touch '{self.target}'",)
