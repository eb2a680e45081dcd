import pytest

from keras_eff.latency.benchmark_tool.delegation import Delegation
from keras_eff.latency.benchmark_tool.delegation import read_delegations

NAME = "TfLiteXNNPackDelegate"


@pytest.mark.parametrize(
    ("end", "partitions"),
    [
        (", yielding 19 partitions for subgraph 0.", 19),
        (", yielding 19 partitions for subgraph 0 (main).", 19),
        (", yielding 19 partitions for the whole graph.", 19),
        (", yielding 19 partitions.", 19),
        ("", None),
    ],
    ids=range(5),
)
def test_each_wording_is_read(end, partitions):
    line = f"Replacing 5 out of 8 node(s) with delegate ({NAME}) node{end}"
    expected = (Delegation(NAME, 5, 8, partitions),)
    assert read_delegations([line]) == expected


def test_an_old_build_does_not_tell_how_many_operators_there_were():
    line = "Replacing 5 node(s) with delegate (D) node, yielding 1 partitions."
    assert read_delegations([line]) == (Delegation("D", 5, None, 1),)


def test_several_delegates_are_told_in_order():
    line = "Replacing {} out of 8 node(s) with delegate (D{}) node"
    found = read_delegations([line.format(5, 0), "other", line.format(2, 1)])
    assert [(d.delegate, d.nodes) for d in found] == [("D0", 5), ("D1", 2)]


def test_a_damaged_line_tells_nothing():
    assert (
        read_delegations(["Replacing 5 out of 8 node(s) with delegate"]) == ()
    )
