"""The control for one's own texts: names of files and folders, and a button that sends files."""

import html
from pathlib import Path

import ipywidgets as widgets
import traitlets

from helpers.common.errors import CourseError
from helpers.common.files import set_aside, write_whole
from helpers.panels.look import BESIDE, look
from helpers.text.decoding.archives import endings
from helpers.text.files import KINDS, READ


class TextFiles(widgets.VBox):
    """Names, one a line, and a button for files from the reader's own computer.

    The browser's files land in ``folder``; an earlier one of the same name with another text is
    kept as ``name.txt.old-1``. ``value`` then names that folder.
    """

    value = traitlets.Unicode()
    sent = traitlets.Int()  # how often files were sent: other texts under the same names

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        hint = "files, folders or patterns, one a line"
        self.names = widgets.Textarea(
            placeholder=hint, rows=2, continuous_update=False, **look(name)
        )
        self.upload = widgets.FileUpload(
            accept=",".join(sorted({f".{kind.split('.')[-1]}" for kind in KINDS})),
            multiple=True,
            description="Send files …",
            tooltip=f"Copy texts ({READ}) from this computer into the workspace",
            layout=widgets.Layout(width="auto", margin=BESIDE, align_self="flex-start"),
        )
        self.said = widgets.HTML(layout=widgets.Layout(margin=BESIDE, max_width="28em"))
        super().__init__((self.names, self.upload, self.said))
        traitlets.link((self, "value"), (self.names, "value"))
        self.upload.observe(self._receive, "value")

    def _receive(self, change: dict) -> None:
        files = change["new"]
        if not files:
            return
        try:
            kept = [name for file in files if (name := self._keep(file))]
        except (CourseError, OSError) as error:
            self.said.value = f"⚠ {html.escape(str(error))}"
            return
        finally:
            self.upload.value = ()  # so that the same file can be sent again
        size = sum(file["size"] for file in files)
        many = f"{len(files):,} files" if files[1:] else "1 file"
        said = f"{many} ({size:,} bytes) in {self.folder.name}/ now. "
        said += "".join(f"The earlier one is kept as {name}. " for name in kept)
        self.said.value = html.escape(said)
        self.value = self.folder.name
        self.sent += 1

    def _keep(self, file: dict) -> str:
        """Write one file whole; the name under which an earlier, other one was set aside."""
        target = self.folder / _plain_name(file["name"])
        content = bytes(file["content"])
        aside = ""
        if target.is_file() and target.read_bytes() != content:
            aside = set_aside(target).name
        write_whole(target, content)
        return aside


def _plain_name(name: str) -> str:
    """The last part of a name that a browser sent, visible and of a kind that is read.

    >>> _plain_name("../../notes"), _plain_name("小说.TXT"), _plain_name("C:\\\\.a.txt")
    ('notes.txt', '小说.TXT', 'a.txt')
    >>> _plain_name("a.jsonl"), _plain_name("b.txt.gz"), _plain_name("notes.gz")
    ('a.jsonl', 'b.txt.gz', 'notes.txt.gz')
    """
    last = name.replace("\\", "/").split("/")[-1].lstrip(".").replace("\0", "") or "text"
    kind, archive = endings(Path(last))
    return last if kind + archive in KINDS else f"{last[: len(last) - len(archive)]}.txt{archive}"
