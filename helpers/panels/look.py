"""How the panels look: how wide things are, where names stand, how something is said."""

import html

import ipywidgets as widgets

WARNING = "color:var(--jp-error-color1, #c62828)"
QUIET = "color:var(--jp-ui-font-color2, #616161);line-height:1.4"

NAME_WIDTH = "14em"
BESIDE = "2px 2px 2px 14.5em"  # margins of what stands below a control, in line with it


def look(name: str) -> dict[str, object]:
    """The arguments of a control: its name and width. Layouts are widgets, not to be shared."""
    return {
        "description": name,
        "style": {"description_width": NAME_WIDTH},
        "layout": widgets.Layout(width="33em", max_width="100%"),
    }


def wide(width: str = "auto") -> widgets.Layout:
    """As wide as there is room for, but not below ``width``, where there is so much."""
    return widgets.Layout(width=width, max_width="100%", flex="1 1 auto")


def said(text: str, style: str, sign: str = "") -> str:
    """A text in HTML, its line ends kept; nothing for an empty one."""
    shown = html.escape(text)
    return f"<div style='{style};white-space:pre-wrap'>{sign}{shown}</div>" if text else ""
