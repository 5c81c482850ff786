"""Figures that everybody can read: on light and dark pages, and without seeing them."""

import base64
import io
import re
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from helpers.common import figures
from helpers.common.figures import Picture
from helpers.evaluation import figures as of_evaluation

PAGES = ("#FFFFFF", "#111111")  # of JupyterLab's themes
MADE: dict[str, Callable[[], Picture]] = {
    "documents": lambda: figures.documents_per_split([8, 1, 1]),
    "lengths": lambda: figures.tokens_per_line([1, 2, 700, 33], 510),
    "zipf": lambda: figures.zipf([5, 3, 1]),
    "rate": lambda: figures.learning_rate([(0, 0.0), (5, 1e-3), (9, 0.0)]),
    "curve": lambda: figures.learning_curve([(1, 5.0), (2, 4.0)], [(2, 4.5)]),
    "curves": lambda: figures.learning_curves([(f"run {n}", [(1, n)], [(1, n)]) for n in range(9)]),
    "before": lambda: of_evaluation.before_and_after(
        dict.fromkeys(("base", "fine-tuned", "c", "d"), ((5, 4.9, 5.1), (4, None, None))),
        dict.fromkeys(("base", "fine-tuned", "c", "d"), ((0.1, 0, 0.2), (0.3, None, None))),
    ),
    "labels": lambda: of_evaluation.by_labels(
        {name: [(16, (0.3, 0.2, 0.4)), (80, (0.5, None, None))] for name in ("base", "tuned")}, 0.4
    ),
    "no labels": lambda: of_evaluation.by_labels({}, 0.0),
    "classes": lambda: of_evaluation.confusions(
        ["a", "天气", "a long name of a class " * 9],
        {"base": np.eye(3, dtype=int), "b": [[9] * 3] * 3},
    ),
    "words": lambda: figures.tokens_per_word([(1, 5), (3, 3)]),
    "scripts": lambda: figures.tokens_per_character([("Latin", 0.3), ("Han", 2.1)]),
}


def contrast(one: object, other: object) -> float:
    """WCAG's ratio of two colours, from 1 to 21."""

    def light(colour: object) -> float:
        parts = np.array(to_rgb(colour))
        parts = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(parts @ [0.2126, 0.7152, 0.0722])

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", MADE)
def test_a_figure_has_no_ground_and_is_read_on_every_page(name: str) -> None:
    picture = MADE[name]()
    pixels = imread(io.BytesIO(picture._repr_png_()))
    assert pixels.shape[2] == 4 and (pixels[[0, 0, -1, -1], [0, -1, 0, -1], 3] == 0).all()
    assert np.mean(pixels[..., 3] == 0) > 0.3
    for text in picture.findobj(Text):
        (edge,) = text.get_path_effects()
        assert contrast(text.get_color(), edge._gc["foreground"]) > 4.5
    shapes = [bar for axes in picture.axes for bar in axes.patches if isinstance(bar, Rectangle)]
    colours = [bar.get_facecolor() for bar in shapes]
    colours += [line.get_color() for axes in picture.axes for line in axes.lines]
    colours += [spine.get_edgecolor() for axes in picture.axes for spine in axes.spines.values()]
    colours += [line.get_color() for line in picture.findobj(Line2D) if line.get_alpha() is None]
    for page in PAGES:
        assert min(contrast(colour, page) for colour in colours) > 3


@pytest.mark.parametrize("name", MADE)
def test_a_figure_says_what_is_to_be_seen(name: str) -> None:
    picture = MADE[name]()
    titles = [axes.get_title() for axes in picture.axes]
    bundle = picture._repr_mimebundle_()
    for shown in (bundle["text/html"], picture.html()):
        [alt] = re.findall("<img [^>]*alt='([^']+)'", shown.replace("&#x27;", "’"))
        assert all(title.replace("'", "’") in alt for title in titles)
    assert bundle["text/plain"] == "; ".join(titles)
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
