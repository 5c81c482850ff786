"""A workspace, or a model, may come from somebody else: nothing that lies in it is run."""

import os

UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"  # lets fairseq's own loader run what is in a checkpoint


def refuse_foreign_code() -> None:
    """Let neither this process nor those that it starts from now on run code that they come upon.

    Python imports nothing from the folder that a program stands in (``PYTHONSAFEPATH``, and no
    relative path in ``PYTHONPATH``), and torch reads checkpoints without running their code.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ.pop(UNSAFE, None)
    paths = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
    if absolute := [path for path in paths if os.path.isabs(path)]:  # noqa: PTH117
        os.environ["PYTHONPATH"] = os.pathsep.join(absolute)
