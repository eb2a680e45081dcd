import pytest

from keras_eff.latency.benchmark_tool.op_profile import OpTime
from keras_eff.latency.benchmark_tool.op_profile import has_op_profile
from keras_eff.latency.benchmark_tool.op_profile import read_op_profile

HEAD = "Operator-wise Profiling Info for Regular Benchmark Runs:"
BANNER = (
    "============================== Run Order =============================="
)
WITH_START = [
    BANNER,
    "\t [node type]\t [start]\t [first]\t [avg ms]\t [%]\t [cdf%]\t [mem KB]"
    "\t[times called]\t[Name]",
    "\t CONV_2D\t 0.066\t 3.1\t 3.000\t 75.000%\t 75.000%\t 0.000\t 1\t[a]:0",
    "\t SOFTMAX\t 3.066\t 1.1\t 1.000\t 25.000%\t100.000%\t 0.000\t 1\t[b]:1",
    "===================== Top by Computation Time =====================",
    "\t CONV_2D\t 0.066\t 3.1\t 3.000\t 75.000%\t 75.000%\t 0.000\t 1\t[a]:0",
    "Number of nodes executed: 2",
    "Timings (microseconds): count=9 curr=4000(all same)",
]
INITIALIZATION = [
    "Profiling Info for Benchmark Initialization:",
    *(line.replace("CONV_2D", "AllocateTensors") for line in WITH_START),
]
WITHOUT_START = [
    "\t".join(line.split("\t")[:2] + line.split("\t")[3:])
    if "\t" in line
    else line
    for line in WITH_START
]
OPS = (
    OpTime("CONV_2D", "[a]:0", 3.0, 0.75),
    OpTime("SOFTMAX", "[b]:1", 1.0, 0.25),
)


@pytest.mark.parametrize(
    "table", [WITH_START, WITHOUT_START], ids=["with_start", "without_start"]
)
def test_columns_are_found_by_their_names(table):
    assert read_op_profile([HEAD, *table], is_headed=True) == OPS


def test_the_profile_of_the_initialization_is_not_that_of_the_runs():
    texts = [*INITIALIZATION, HEAD, *WITH_START]
    assert read_op_profile(texts, is_headed=True) == OPS
    assert read_op_profile([BANNER, *WITH_START[1:]], is_headed=False) == OPS
    with pytest.raises(ValueError, match="the line 'Operator-wise.* missing"):
        read_op_profile(INITIALIZATION, is_headed=True)


def test_the_main_graph_comes_before_the_insides_of_a_delegate():
    inside = [line.replace("CONV_2D", "Convolution") for line in WITH_START]
    texts = [HEAD, *WITH_START, "Delegate internal: ", *inside]
    assert read_op_profile(texts, is_headed=True) == OPS


@pytest.mark.parametrize("length", range(1, 8))
def test_a_table_that_is_cut_is_an_error(length):
    with pytest.raises(ValueError, match="missing|it ends after [012] op"):
        read_op_profile([HEAD, *WITH_START[: length - 1]], is_headed=True)


def test_a_row_too_few_is_an_error():
    with pytest.raises(ValueError, match="1 of 2 operators are there"):
        texts = [HEAD, *WITH_START[:2], *WITH_START[3:]]
        read_op_profile(texts, is_headed=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("3.000\t", "3.0x0\t"),
        ("75.000%", "inf%"),
        ("75.000%", "175.000%"),
        ("CONV_2D\t", "CONV_2D"),
        ("[avg ms]", "[ms]"),
    ],
)
def test_a_damaged_row_is_an_error(old, new):
    texts = [HEAD, *(line.replace(old, new, 1) for line in WITH_START)]
    with pytest.raises(ValueError, match="the line 'CONV_2D.* is damaged"):
        read_op_profile(texts, is_headed=True)


def test_a_part_of_a_profile_shows():
    assert has_op_profile([HEAD]) and has_op_profile([BANNER])
    assert not has_op_profile(["Enable op profiling: [1]"])
