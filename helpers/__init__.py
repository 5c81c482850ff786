"""The logic behind the course: from plain text files through fairseq to a Hugging Face model.

The folders are the road, and a folder imports from those above it only:

common    errors, files, reports, figures, progress, processes, how fairseq's tools are run
workflow  what a stage is: its workspace, its record, its settings, when it is done again
text      students' files to documents and lines
tokens    GPT-2's byte-pair encoding: lines to GPT-2 ids
ids       the model's dictionary, fairseq's .bin and .idx, and their shards
models    checkpoints old and new, and Hugging Face's form of them
evaluation  how well models guess hidden tokens, and how sure that is
training  fairseq-hydra-train: its command, its log, what an interrupted run goes on with
base      where a base model comes from, and whether its dictionary fits
sharing   what others take away: the model card, a page of the result, the model as one file
stages    one file a command, and the road, which is their list
explorer  what a text becomes, for looking
panels    the widgets of the notebooks

Above them: __main__ (command line), batch (papermill) and what it looks at beforehand, parameters
(a list of them), watch (how far a run is), environment (check).
Beside them: config (fairseq's own settings, as YAML).
Importing this package costs nothing; torch, fairseq and transformers are imported where used.
"""

import os
import sys

# `python -m` puts the folder where one stands first on the path. It may be somebody's workspace,
# whose files would be taken for modules; unless the course itself was found there, it is removed.
if (
    sys.argv[:1] == ["-m"]
    and not sys.flags.safe_path
    and __path__ != [os.path.join(sys.path[0], "helpers")]  # noqa: PTH118 (pathlib lies there, too)
):
    del sys.path[0]
