"""How wide the controls are, and where their names stand."""

import ipywidgets as widgets

NAME_WIDTH = "9em"
BESIDE = "2px 2px 2px 9.5em"  # margins of what stands below a control, in line with it


def look(name: str) -> dict[str, object]:
    """The arguments of a control: its name and width. Layouts are widgets, not to be shared."""
    return {
        "description": name,
        "style": {"description_width": NAME_WIDTH},
        "layout": widgets.Layout(width="28em", max_width="100%"),
    }
