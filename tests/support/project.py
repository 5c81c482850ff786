"""The project's own files, and what none of them may hold."""

import re
from collections.abc import Iterator
from pathlib import Path

from helpers.common.files import PROJECT

# A space and Chinese characters in every path: they have to work everywhere.
HOME_NAME = "my course 课程"
# A folder of one machine: somebody's home, or a temporary folder.
LOCAL = re.compile(r"(?<![\w.$])/(?:root|tmp|work|home/\w+|Users/\w+)/[\w.]")


def project_files(folder: Path = PROJECT) -> Iterator[Path]:
    """The files that git does not ignore; it is not asked, since an unpacked bundle has none."""
    lines = (PROJECT / ".gitignore").read_text("utf-8").splitlines()
    # With a slash before it, a line is of a path in the project itself.
    ignored = [str(PROJECT / line[1:]) if line.startswith("/") else line for line in lines]
    for path in sorted(folder.iterdir()):
        if path.name == ".git" or any(map(path.match, ignored)):
            continue
        if path.is_dir():
            yield from project_files(path)
        else:
            yield path
