"""How many seconds one process needs to encode a text that is in memory; it prints them.

``python -m tests.benchmarks.tiktoken_alone TEXT``
"""

import sys
import time
from pathlib import Path

from helpers.chunks import line_chunks
from helpers.vocabulary import gpt2_encoding


def main(raw: str) -> None:
    texts = list(line_chunks(Path(raw)))
    encode = gpt2_encoding().encode_ordinary
    begun = time.perf_counter()
    for text in texts:
        encode(text)
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main(*sys.argv[1:])
