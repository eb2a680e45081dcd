import re

import pytest


@pytest.fixture(scope="module")
def printed(run_example, tmp_path_factory):
    """What one small run of the script prints."""
    sizes = ["--rounds=2", "--epochs=2", "--train_size=400"]
    folder = tmp_path_factory.mktemp("lottery")
    return run_example("lottery_ticket", folder, *sizes)


def test_rounds_leave_the_share_that_they_should(printed):
    shares = re.findall(
        r"^prunable_dense\S* +([\d,]+) +(\d.\d+) ", printed, re.M
    )
    sizes, sparsities = zip(
        *((int(n.replace(",", "")), float(s)) for n, s in shares), strict=True
    )
    pruned = sum(n * s for n, s in zip(sizes, sparsities, strict=True))
    assert sizes == (235_200, 30_000)
    assert pruned / sum(sizes) == pytest.approx(0.75, abs=1e-3)


def test_all_three_networks_learn(printed):
    accuracies = re.findall(r"^(\w+) +(\d.\d+) \(", printed, re.M)
    assert [name for name, _ in accuracies] == ["dense", "ticket", "random"]
    assert min(float(value) for _, value in accuracies) > 0.3
