"""An evaluation as the record keeps it, with numbers that are easy to tell from each other."""

from helpers.workflow.workspace import Workspace


def row(model: str, text: str, nats: list, gain: list | None = None, **more: list) -> dict:
    plain = {key: [0.5, None, None] for key in ("bits_per_character", "first", "fifth")}
    return {"model": model, "text": text, "nats": nats, "gain": gain} | plain | more


SCORES = [
    row("base", "yours", [2.8, 2.7, 2.9], first=[0.311, 0.3, 0.32]),
    row("fine-tuned", "yours", [2.2, 2.1, 2.3], [-0.6, -0.7, -0.5], first=[0.4, None, None]),
    row("base", "general", [2.5, None, None]),
    row("fine-tuned", "general", [3.0, 2.9, 3.1], [0.5, 0.4, 0.6]),
]


def put_scores(workspace: Workspace, scores: list[dict], **more: object) -> None:
    """Write scores, and what else is given, into the report on the last evaluation."""
    record = workspace.record
    record.stages["evaluate"].report |= {"scores": scores} | more
    record.save()
