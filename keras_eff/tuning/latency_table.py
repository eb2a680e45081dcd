import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_eff.arguments import read_number
from keras_eff.arguments import wrong_argument
from keras_eff.arguments import wrong_type
from keras_eff.atomic_write import atomic_write
from keras_eff.atomic_write import check_path

_VERSION = 1


@dataclasses.dataclass(frozen=True)
class LatencyTable:
    """Predicts the latency of a model from those of its blocks.

    For searches that compare more models than a device can measure. A block is
    what the runtime fuses and runs as one, such as a convolution with its
    normalization and activation, or a whole residual block: latencies of
    single layers add up to a third too much under the default delegate, as
    each pays for its own start and for the layouts at its ends. `fit` on a few
    whole models takes that out on average, and says what error is left.

    Args:
        latencies_ms: Mapping, name of a block to its latency > 0, in
            milliseconds.
        scale: Float >= 0, factor on the sum of the blocks.
        offset_ms: Float >= 0, time of a model beside its blocks, in
            milliseconds.
        error: Float >= 0 or `None`, mean of `|predicted - measured| /
            measured`, each model predicted by a correction fitted on the
            others; `None` before `fit`.

    Raises:
        TypeError: If `latencies_ms` is no mapping.
        ValueError: If there is no block, or a number is wrong.

    Example:

    >>> table = keras_eff.tuning.LatencyTable({"stem": 1.0, "block": 2.0})
    >>> models = [
    ...     (["stem"], 0.9),
    ...     (["stem", "block"], 2.5),
    ...     (["stem", "block", "block"], 4.1),
    ... ]
    >>> fitted = table.fit(models)
    >>> print(fitted)
    2 blocks; 0.8 * sum + 0.1 ms; mean error 0.000 of the latency
    >>> round(fitted.predict(["stem", "block", "block", "block"]), 3)
    5.7

    Reference:
        - [Wu et al., 2019](https://arxiv.org/abs/1812.03443), section 3.3:
          the lookup table; the correction is ours
    """

    latencies_ms: Mapping[str, float]
    scale: float = 1.0
    offset_ms: float = 0.0
    error: float | None = None

    def __post_init__(self):
        if not isinstance(self.latencies_ms, Mapping):
            expected = "a mapping of names to numbers"
            raise wrong_type("latencies_ms", self.latencies_ms, expected)
        if not self.latencies_ms:
            raise ValueError(
                "Argument `latencies_ms` must hold at least one block. "
                f"Received: latencies_ms={self.latencies_ms}"
            )
        read = {
            name: read_number(f"latencies_ms[{name!r}]", value, "(0, inf)")
            for name, value in self.latencies_ms.items()
        }
        self._set("latencies_ms", read)
        for name in ("scale", "offset_ms"):
            value = getattr(self, name)
            self._set(name, read_number(name, value, "[0, inf)"))
        if self.error is not None:
            self._set("error", read_number("error", self.error, "[0, inf)"))

    @classmethod
    def measure(
        cls, blocks: Mapping[str, Any], runner=None, **options: Any
    ) -> "LatencyTable":
        """Returns a table of blocks, each exported and measured by itself.

        Args:
            blocks: Mapping, name to a built `keras.Sequential` or Functional
                model of the block, with the input shape that it has in the
                whole model.
            runner: As in `keras_eff.tuning.measure_trial`.
            **options: Other arguments of `keras_eff.tuning.measure_trial`,
                such as `quantize`, `num_threads` and `cache`.

        Raises: What `keras_eff.tuning.measure_trial` raises.
        """
        # Takes seconds; a table that is loaded needs neither Keras nor
        # TensorFlow.
        from keras_eff.tuning.measure_trial import measure_trial

        return cls(
            {
                name: measure_trial(block, runner=runner, **options)[
                    "latency_ms"
                ]
                for name, block in blocks.items()
            }
        )

    def fit(
        self, models: Sequence[tuple[Sequence[str], float]]
    ) -> "LatencyTable":
        """Returns the table with a correction, and its error.

        `scale` and `offset_ms` are those of least squares, not negative.

        Args:
            models: At least three pairs: names of the blocks of a whole
                model, and its latency > 0 on the same device, in milliseconds.

        Raises:
            ValueError: If there are fewer than three models, a block is not
                in the table, or a latency is out of range.
        """
        if len(models) < 3:
            raise ValueError(
                "Argument `models` must hold at least three models, two for "
                "the correction and one to test it. Received: "
                f"{len(models)} models"
            )
        sums = np.array([self._sum(names) for names, _ in models])
        measured = np.array(
            [
                read_number("latency_ms of a model", latency_ms, "(0, inf)")
                for _, latency_ms in models
            ]
        )
        scale, offset_ms = _line(sums, measured)
        return dataclasses.replace(
            self,
            scale=scale,
            offset_ms=offset_ms,
            error=_left_out_error(sums, measured),
        )

    def predict(self, names: Sequence[str]) -> float:
        """Returns the latency of a model of these blocks, in milliseconds.

        Args:
            names: Names of blocks, each as often as the model has it.

        Raises:
            ValueError: If there is no block, or one is not in the table.
        """
        return self.scale * self._sum(names) + self.offset_ms

    def save(self, path: str | os.PathLike) -> None:
        """Writes the table as JSON; an error leaves what was at `path`.

        Raises:
            OSError: If `path` cannot be written.
        """
        fields = {**vars(self), "latencies_ms": dict(self.latencies_ms)}
        text = json.dumps({"version": _VERSION, **fields}, indent=2) + "\n"
        with atomic_write(check_path(path), text.encode()):
            pass

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LatencyTable":
        """Returns the table that `save` wrote.

        Raises:
            FileNotFoundError: If there is no file at `path`.
            ValueError: If it is not a table.
        """
        try:
            fields = json.loads(pathlib.Path(path).read_bytes())
            if fields.pop("version") != _VERSION:
                raise ValueError("another version")
            return cls(**fields)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                "Argument `path` must name a file that exists. "
                f"Received: path={path}"
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                "Argument `path` must name a file written by "
                f"`LatencyTable.save`. Received: path={path}, {error}"
            ) from error

    def _set(self, name, value):
        object.__setattr__(self, name, value)

    def _sum(self, names):
        if isinstance(names, str) or not names:
            expected = "a sequence of at least one block"
            raise wrong_argument("names", names, expected)
        unknown = sorted({str(x) for x in names if x not in self.latencies_ms})
        if unknown:
            raise ValueError(
                "Argument `names` must be blocks of the table, which has "
                f"{sorted(self.latencies_ms)}. Received: {unknown}"
            )
        return sum(self.latencies_ms[name] for name in names)

    def __str__(self):
        count = len(self.latencies_ms)
        error = (
            "not fitted"
            if self.error is None
            else f"mean error {self.error:.3f} of the latency"
        )
        return (
            f"{count} block{'' if count == 1 else 's'}; {self.scale:.4g} * sum "
            f"+ {self.offset_ms:.4g} ms; {error}"
        )


def _line(x, y):
    """Scale and offset >= 0 of least squares, both x and y being > 0."""
    centered = x - x.mean()
    spread = centered @ centered
    if spread > 1e-12 * (x @ x):
        scale = centered @ y / spread
        offset = y.mean() - scale * x.mean()
        if scale < 0:
            return 0.0, float(y.mean())
        if offset >= 0:
            return float(scale), float(offset)
    return float(x @ y / (x @ x)), 0.0


def _left_out_error(sums, measured):
    errors = []
    for index, latency_ms in enumerate(measured):
        others = np.arange(len(measured)) != index
        scale, offset = _line(sums[others], measured[others])
        predicted = scale * sums[index] + offset
        errors.append(abs(predicted - latency_ms) / latency_ms)
    return float(np.mean(errors))
