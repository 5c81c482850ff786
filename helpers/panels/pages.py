"""Notebooks as web pages: a link to a notebook leads to the page that is made of it."""

import re

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

_LINK = re.compile(r"(\]\([^():\s]+)\.ipynb(?=[)#])")  # of this disk: other addresses have a colon


class LinksToPages(Preprocessor):
    """For nbconvert's HTML exporter, which is told of it in ``jupyter/``."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict, index: int
    ) -> tuple[NotebookNode, dict]:
        """Let the links of a text lead from ``01_split.ipynb`` to ``01_split.html``."""
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(r"\1.html", cell.source)
        return cell, resources
