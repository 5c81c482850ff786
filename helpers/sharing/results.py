"""What is made of a result for people: beside the model its card, in the workspace a page."""

from pathlib import Path

from helpers.sharing import model_card, page
from helpers.sharing.facts import Facts, facts
from helpers.sharing.renewed import remove_ours, renew, signed
from helpers.workflow.workspace import Workspace


def write_card(workspace: Workspace, folder: Path) -> list[str]:
    """Write ``README.md`` and ``curve.png`` into a Hugging Face folder, and what to say of them.

    Files that a person has put in their place, or changed, stay. A folder whose files are not those
    of its ``conversion.json`` was made by others: it gets none, and loses what the course wrote of
    the model before.

    Raises:
        CourseError: nothing can be written there.
    """
    known = facts(workspace, folder)
    return _card(known, folder, _curve(known))


def write_results(workspace: Workspace) -> list[str]:
    """Write the card in ``hf/`` and the page of the result, ``result.html``.

    A folder that another workspace has converted keeps its card, since that one knows more.

    Raises:
        CourseError: as :func:`write_card`.
    """
    known = facts(workspace, workspace.hf)
    curve = _curve(known)
    said = _card(known, workspace.hf, curve) if _is_made_here(workspace, known) else []
    text = page.page(known, curve)
    return [*said, *renew(workspace.result, signed(text))]


def _is_made_here(workspace: Workspace, known: Facts) -> bool:
    """Whether it is this workspace that has converted what lies in its ``hf/``."""
    made = workspace.record.entry("convert").outputs
    files = known.certificate.files if known.certificate else {}
    here = {name: made.get(workspace.key(workspace.hf / name)) for name in files}
    return all(print_ and print_.sha256 == files[name] for name, print_ in here.items())


def _card(known: Facts, folder: Path, curve: bytes | None) -> list[str]:
    picture, said = folder / model_card.CURVE, []
    if known.certificate is None:  # another model lies there by now, of which ours is not true
        remove_ours(picture)
        remove_ours(folder / model_card.NAME)
        return []
    if curve:
        said += renew(picture, curve)
    else:
        remove_ours(picture)
    text = model_card.card(known, curve=curve is not None)
    return [*said, *renew(folder / model_card.NAME, signed(text))]


def _curve(known: Facts) -> bytes | None:
    """The learning curve as a PNG, where one is known."""
    if not known.training or not known.training.valid_curve:
        return None
    from helpers.common.figures import learning_curve

    picture = learning_curve(known.training.train_curve, known.training.valid_curve)
    return picture._repr_png_()
