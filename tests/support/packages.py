"""Little wheels, locks of them, and a machine that reaches no index."""

import hashlib
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

NOWHERE = "http://127.0.0.1:9/simple"


def write_wheel(folder: Path, name: str) -> Path:
    """A package 1.0 with nothing in it."""
    folder.mkdir(exist_ok=True)
    about = f"{name.replace('-', '_')}-1.0"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    file = folder / f"{about}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        for part, content in (("METADATA", metadata), ("WHEEL", tag), ("RECORD", "")):
            wheel.writestr(f"{about}.dist-info/{part}", content)
    return file


def write_locks(project: Path, wheels: Mapping[str, Path]) -> None:
    """In the place of the project's own ``locks/``: one of each of these wheels."""
    (project / "locks").mkdir(exist_ok=True)
    for lock, wheel in wheels.items():
        name = wheel.name.split("-")[0]
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (project / "locks" / f"{lock}.txt").write_text(f"{name}==1.0 --hash=sha256:{sha256}\n")


def offline() -> dict[str, str]:
    """The environment of a machine that reaches no index and knows no cache or setting of pip."""
    ours = ("PIP_", "PYTHON", "MAKE", "TORCH")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",  # the bundle is for this python3
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": NOWHERE,
        "PIP_NO_CACHE_DIR": "1",
        # pip takes it as "compile: 0". Compiling all modules takes longer than installing them.
        "PIP_NO_COMPILE": "0",
    }
