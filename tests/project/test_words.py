"""Words for people: every notebook has the same parts."""

from tests.project.pages import PAGES, words


def test_every_notebook_has_its_parts():
    for page in PAGES:
        if page.suffix != ".ipynb":
            continue
        for part in ("**You will**", "**Time:**", "**You need:**", "**You should", "**中文提要**"):
            assert part in words(page), (page.name, part)
        for part in ("**You are here:**", "**What to expect", "## What can go wrong"):
            assert part in words(page), (page.name, part)
        for part in ("**Try:**", "## You now have", "**To read:**", "../GLOSSARY.md#"):
            assert part in words(page), (page.name, part)
