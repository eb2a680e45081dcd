import dataclasses
import os

from keras_eff import figure as figures
from keras_eff.arguments import wrong_argument
from keras_eff.atomic_write import check_path
from keras_eff.table import format_table

# More lines than that cannot be told apart.
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Removal:
    """What a model reaches without some channels of one group.

    Attributes:
        group: Name of the group, the first layer in which its channels begin.
        sparsity: Float in (0, 1), the share that was asked for.
        num_removed: Integer, how many channels went.
        value: Float, the metric.
    """

    group: str
    sparsity: float
    num_removed: int
    value: float


@dataclasses.dataclass(frozen=True)
class ChannelSensitivity:
    """What a model loses with channels of one group; prints as a table.

    Attributes:
        metric: String, the name of the metric.
        mode: "max" or "min", whether more or less of it is better.
        baseline: Float, the metric of the whole model.
        removals: Tuple of a `Removal` for each group and sparsity, in the
            order of the model.
    """

    metric: str
    mode: str
    baseline: float
    removals: tuple[Removal, ...]

    def drop(self, removal: Removal) -> float:
        """What is lost; negative if the model became better."""
        change = self.baseline - removal.value
        return change if self.mode == "max" else -change

    def sparsities(self, max_drop: float) -> dict[str, float]:
        """The most that each group alone can lose for so much of the metric.

        Losses of several groups add up, often to more than their sum:
        fine-tune the model without all of them.

        Args:
            max_drop: Float of 0 or more, in the unit of the metric.

        Returns:
            Dict from names of groups to sparsities that were tried, for
            `keras_eff.remove_channels`; 0.0 where the least costs too much.

        Raises:
            ValueError: If `max_drop` is negative.
        """
        if not max_drop >= 0:
            raise wrong_argument("max_drop", max_drop, "a float of 0 or more")
        chosen = {}
        for name, removals in self._by_group().items():
            chosen[name] = 0.0
            for removal in removals:
                if self.drop(removal) > max_drop:
                    break
                chosen[name] = removal.sparsity
        return chosen

    def plot(self, path: str | os.PathLike | None = None):
        """Returns a picture: the metric over the sparsity, a line a group.

        The five groups that lose most are named.

        Args:
            path: Path of a PNG to write, in a directory that exists, or None.

        Returns:
            A `matplotlib.figure.Figure`, which notebooks show.

        Raises:
            ImportError: If matplotlib is not installed.
            OSError: If `path` cannot be written.
        """
        figures.check_matplotlib("`ChannelSensitivity.plot`")
        path = None if path is None else check_path(path)
        figure = self._draw()
        figures.write_png(figure, path)
        return figure

    def _draw(self):
        figure, axes = figures.new_figure(6.4, 4.4, layout="constrained")
        groups = self._by_group()
        worst = sorted(groups, key=lambda name: -self._worst(groups[name]))
        for name, removals in groups.items():
            rank = worst.index(name)
            style = {"color": "0.75", "linewidth": 1.0}
            if rank < _NAMED:
                label = figures.plain(name)
                style = {"color": f"C{rank}", "label": label, "zorder": 3}
            axes.plot(
                [0.0, *(r.sparsity for r in removals)],
                [self.baseline, *(r.value for r in removals)],
                marker="o",
                markersize=3.0,
                **style,
            )
        axes.set(xlabel="sparsity of the group alone", ylabel=self.metric)
        axes.grid(color="0.93")
        axes.spines[["top", "right"]].set_visible(False)
        if groups:
            axes.legend(fontsize=8, frameon=False)
        return figure

    def _worst(self, removals):
        return max(map(self.drop, removals))

    def _by_group(self):
        groups = {}
        for removal in self.removals:
            groups.setdefault(removal.group, []).append(removal)
        return groups

    def __str__(self):
        groups = self._by_group()
        shares = sorted({r.sparsity for r in self.removals})
        columns = {"group": "", **{f"{share:g}": ".4f" for share in shares}}
        rows = []
        for name in sorted(groups, key=lambda n: -self._worst(groups[n])):
            values = {r.sparsity: r.value for r in groups[name]}
            rows.append((name, *(values[share] for share in shares)))
        head = f"{self.metric} {self.baseline:.4f}, without a share of"
        return f"{head}\n{format_table(columns, rows)}"
