import dataclasses
import re
from collections.abc import Sequence

# subgraph.cc of TFLite. The oldest builds do not say "out of". The end is, from
# old to new, "partitions.", "partitions for the whole graph.", "partitions for
# subgraph 0." or "partitions for subgraph 0 (main).".
_LINE = re.compile(
    r"Replacing ([0-9]{1,9})(?: out of ([0-9]{1,9}))? node\(s\) with delegate "
    r"\((.*?)\) node(?:, yielding ([0-9]{1,9}) partitions(?: for .*)?)?\.?"
)


@dataclasses.dataclass(frozen=True)
class Delegation:
    """What a delegate took of a file.

    Args:
        delegate: String, name of the delegate, such as
            `"TfLiteXNNPackDelegate"`.
        nodes: Integer >= 0, operators that it runs.
        total_nodes: Integer >= 0, operators that the graph had, or `None` if
            the tool does not tell.
        partitions: Integer >= 0, parts that the graph was cut into, those of
            the delegate and the others, or `None` if the tool does not tell.
            Each border costs time.
    """

    delegate: str
    nodes: int
    total_nodes: int | None
    partitions: int | None


def read_delegations(texts: Sequence[str]) -> tuple[Delegation, ...]:
    """Returns what each delegate took, in the order of a log's lines."""
    matches = [_LINE.fullmatch(text.strip()) for text in texts]
    return tuple(
        Delegation(match[3], int(match[1]), _count(match[2]), _count(match[4]))
        for match in matches
        if match
    )


def _count(digits):
    return None if digits is None else int(digits)
