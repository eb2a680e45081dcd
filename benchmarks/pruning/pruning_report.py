"""The rows of pruning.py as a table and as a picture."""

import itertools

import numpy as np


def print_table(rows):
    """One row for each method and sparsity, mean and range over the seeds."""
    print(
        "| sparsity | method | seeds | accuracy | int8 accuracy | gzip | "
        "bytes, sparse | its gzip | int8, gzip | ms | ms, sparse | ms, int8 |\n"
        + "|---" * 12
        + "|"
    )
    for (asked, method), group in _groups(rows):
        mean = _means(group)
        accuracies = [r["dense_accuracy"] for r in group]
        spread = (
            f" ({min(accuracies):.4f}-{max(accuracies):.4f})"
            if len(group) > 1
            else ""
        )
        cells = (
            f"{asked:.2f}",
            method,
            len(group),
            f"{mean['dense_accuracy']:.4f}{spread}",
            f"{mean['int8_accuracy']:.4f}",
            f"{mean['dense_gzip']:,.0f}",
            f"{mean['sparse_bytes']:,.0f}",
            f"{mean['sparse_gzip']:,.0f}",
            f"{mean['int8_gzip']:,.0f}",
            f"{mean['dense_ms']:.3f}",
            f"{mean['sparse_ms']:.3f}",
            f"{mean['int8_ms']:.3f}",
        )
        print("| " + " | ".join(map(str, cells)) + " |")


def save_figure(rows, path):
    """Accuracy of the float files against sparsity, a line for each method."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    dense = [r["dense_accuracy"] for r in rows if not r["asked"]]
    axes.axhline(np.mean(dense), color="gray", linestyle=":", label="dense")
    means = [
        (method, asked, _means(group)["dense_accuracy"])
        for (asked, method), group in _groups(rows)
        if asked
    ]
    for method in dict.fromkeys(method for method, *_ in means):
        points = [(s, a) for m, s, a in means if m == method]
        axes.plot(*zip(*points, strict=True), marker="o", label=method)
    axes.set_xlabel("sparsity of the pruned layers")
    axes.set_ylabel("accuracy of the file, test images")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _groups(rows):
    def key(row):
        return row["asked"], row["method"]

    # Sorting keeps the order of the methods within a sparsity.
    ordered = sorted(rows, key=lambda row: row["asked"])
    order = list(dict.fromkeys(map(key, ordered)))
    ordered.sort(key=lambda row: order.index(key(row)))
    return [(k, list(g)) for k, g in itertools.groupby(ordered, key)]


def _means(group):
    names = [k for k, v in group[0].items() if isinstance(v, float | int)]
    return {name: np.mean([row[name] for row in group]) for name in names}
