"""How many seconds tiktoken, as it comes, needs to encode a text that is in memory; it prints them.

Its own pattern for GPT-2, and its function that gives an array; in one process.

``python -m tests.benchmarks.tiktoken_alone TEXT``
"""

import sys
import time
from pathlib import Path

import tiktoken
from tiktoken_ext.openai_public import r50k_pat_str

from helpers.text.chunks import chunk_texts
from helpers.tokens.gpt2 import END_OF_TEXT, bytes_of_token


def main(raw: str) -> None:
    texts = list(chunk_texts(Path(raw)))
    encoding = tiktoken.Encoding(
        name="gpt2",
        pat_str=r50k_pat_str,
        mergeable_ranks={token: i for i, token in enumerate(bytes_of_token()[:END_OF_TEXT])},
        special_tokens={"<|endoftext|>": END_OF_TEXT},
    )
    begun = time.perf_counter()
    for text in texts:
        encoding.encode_to_numpy(text, disallowed_special=())
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main(*sys.argv[1:])
