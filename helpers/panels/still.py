"""Notebooks to be read: their panels as they stood, without widgets that no kernel keeps alive."""

import sys
from pathlib import Path

import nbformat

from helpers.common.files import write_whole

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LIVE = "application/vnd.jupyter.widget-view+json"


def stilled(file: Path) -> str:
    """The text of a notebook whose panels are their static HTML twins.

    A page that finds a live view without its kernel shows an error in its place.
    """
    notebook = nbformat.read(file, as_version=4)
    notebook.metadata.pop("widgets", None)
    notebook.metadata.kernelspec = KERNEL  # whatever it was saved with
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(LIVE, None)
    return nbformat.writes(notebook) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write_whole(Path(name), stilled(Path(name)))
