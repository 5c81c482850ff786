"""Text to ``PREFIX.bin`` and ``PREFIX.idx`` by Hugging Face's ``tokenizers``, in its own threads.

``python -m tests.benchmarks.hugging_face TEXT DICTIONARY PREFIX THREADS``
"""

import os
import sys
from pathlib import Path

import numpy as np

from helpers.ids.binary_files import IndexedWriter, index_table, looked_up
from helpers.ids.dictionary import Dictionary
from helpers.text.chunks import chunks_of
from helpers.tokens.gpt2 import gpt2_file


def main(raw: str, dict_file: str, prefix: str, threads: str) -> None:
    os.environ |= {"TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": threads}
    from tokenizers import Tokenizer, models, pre_tokenizers

    files = (str(gpt2_file(name)) for name in ("encoder.json", "vocab.bpe"))
    tokenizer = Tokenizer(models.BPE.from_file(*files))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    dictionary = Dictionary.load(Path(dict_file))
    table = index_table(dictionary)
    with IndexedWriter(Path(prefix), len(dictionary)) as out:
        for chunk in chunks_of(Path(raw), 4_000_000):
            lines = [line.strip() for line in chunk.text().removesuffix("\n").split("\n")]
            found: list[int] = []
            for line in tokenizer.encode_batch_fast(lines, add_special_tokens=False):
                found += line.ids
                found.append(-1)
            ids = np.array(found)
            out.add(looked_up(ids, table))


if __name__ == "__main__":
    main(*sys.argv[1:])
