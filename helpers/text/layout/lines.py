"""A text that comes in blocks, line by line."""

from collections.abc import Iterable, Iterator


def whole_lines(blocks: Iterable[str], longest: int) -> Iterator[list[str]]:
    """The lines of each block without their ends, the last one together with the next block.

    The last list ends with what stands behind the last line end, be it empty.

    Args:
        longest: characters of a line, which memory has to hold.

    Raises:
        OverflowError: a line has more.
    """
    carried: list[str] = []
    length = 0
    for block in blocks:
        head, newline, tail = block.rpartition("\n")
        if newline:
            yield "".join((*carried, head)).split("\n")
            carried, length = [], 0
        carried.append(tail)
        length += len(tail)
        if length > longest:
            raise OverflowError
    yield ["".join(carried)]
