import dataclasses

import numpy as np
from absl import logging

_FEWEST = 32
_SHARE = 4
_COMPARED = 256


@dataclasses.dataclass(frozen=True)
class SampleSplit:
    """Samples to find ranges with, and samples to run the file on.

    Attributes:
        fitted: List of arrays, one for each input.
        compared: List of arrays, at most 256 samples.
        num_judged: Integer, how many of them, the first ones, the model that
            was given is compared on.
        is_held_out: Boolean, whether the ranges were taken from others.
    """

    fitted: list[np.ndarray]
    compared: list[np.ndarray]
    num_judged: int
    is_held_out: bool

    @property
    def judged(self) -> list[np.ndarray]:
        """The samples that the model that was given is compared on."""
        return [array[: self.num_judged] for array in self.compared]


def split_samples(samples: list[np.ndarray], finds_ranges: bool) -> SampleSplit:
    """Holds a quarter of the samples out where ranges are taken from them.

    They are drawn with a fixed seed: samples often come in an order. Of fewer
    than 32, none is held out.
    """
    count = len(samples[0])
    if not finds_ranges or count < _FEWEST:
        places = _thinned(np.arange(count), _COMPARED)
        compared = [array[places] for array in samples]
        return SampleSplit(samples, compared, len(places), False)
    order = np.random.default_rng(0).permutation(count)
    held_out = np.sort(order[: count // _SHARE])
    fitted = np.sort(order[count // _SHARE :])
    judged = _thinned(held_out, _COMPARED)
    others = _thinned(fitted, _COMPARED - len(judged))
    places = np.concatenate([judged, others])
    return SampleSplit(
        [array[fitted] for array in samples],
        [array[places] for array in samples],
        len(judged),
        True,
    )


def warn_of_few_samples(split: SampleSplit) -> None:
    """Warns where none of the samples that gave ranges could be held out."""
    if not split.is_held_out:
        logging.warning(
            "samples: ranges are taken from %d, and the file is judged on the "
            "same ones: give a few hundred",
            len(split.fitted[0]),
        )


def _thinned(places, most):
    """At most `most` of the places, evenly."""
    return places[:: -(-len(places) // most)] if most else places[:0]
