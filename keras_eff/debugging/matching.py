"""Which layer of a Keras model a tensor of its .tflite file belongs to."""

import math

import numpy as np

from keras_eff.debugging.file_tensors import FileTensor
from keras_eff.debugging.layer_outputs import LayerOutput
from keras_eff.debugging.signal_to_noise import sqnr_db

_COMPARED = 4096
# Above, a tensor is taken for one of equal content. The values of other layers
# reach 15 dB by chance where they have a common mean.
_ALIKE_DB = 20.0
# The same before the next layer with a kernel, where chance is not so likely.
_ALIKE_NEXT_DB = 10.0
_SAME_SCALE = 1e-5
# What these return is the same values in another order.
_LAYOUT = {"RESHAPE", "TRANSPOSE"}


def match(
    tensors: list[FileTensor], outputs: list[LayerOutput], num_inputs: int
) -> tuple[dict[int, int], int]:
    """Finds the Keras output that each tensor of a file stands for.

    Names do not help: files are stripped of them, operators are fused, and
    some are written with others. A tensor can only belong to what Keras
    computes from the outputs that its own sources belong to. Of these it is,
    in this order: one rounded with the same scale and zero point; the one of
    the nearest content, if that is above 10 dB; or, for a tensor that is badly
    wrong, the output of the same number or else the nearest in content before
    the next layer with a kernel. Steps inside a layer and changes of layout
    belong to none.

    Returns: {index of the tensor: place of the output}, without the tensors
    that belong to none, and how many of these were certain.
    """
    matching = _Matching(tensors, outputs)
    for place, tensor in enumerate(tensors[:num_inputs]):
        matching.take_input(tensor, place)
    for tensor in tensors[num_inputs:]:
        matching.take_alike(tensor)
    certain = len(matching.places)
    for tensor in tensors[num_inputs:]:
        matching.take_end(tensor)
    for tensor in tensors[num_inputs:]:
        matching.take_nearest(tensor)
    return matching.places, certain


class _Matching:
    def __init__(self, tensors, outputs):
        self._tensors = {tensor.index: tensor for tensor in tensors}
        self._outputs = outputs
        self._by_size = {}
        for place, output in enumerate(outputs):
            shape = output.values.shape
            self._by_size.setdefault(shape, []).append(place)
        self._readers = {tensor.index: [] for tensor in tensors}
        self._depths = {}
        for tensor in tensors:
            before = [self._depths[index] for index in tensor.inputs]
            depth = max(before, default=0) + tensor.has_weights
            self._depths[tensor.index] = depth
            for index in tensor.inputs:
                self._readers[index].append(tensor.index)
        self.places = {}
        self.alike = set()

    def take_input(self, tensor, place):
        """Takes the input itself, or what rounds it as the file does."""
        same = self._same_key(tensor, self._candidates(tensor, {place}))
        self.places[tensor.index] = same[0] if same else place
        self.alike.add(tensor.index)

    def take_alike(self, tensor):
        """Takes an output of the same scale or of similar content."""
        sources = self._sources(tensor)
        candidates = self._candidates(tensor, sources)
        same = self._same_key(tensor, candidates)
        following = self._following(tensor, candidates)
        for group, least in (
            (same, _ALIKE_DB),
            (following, _ALIKE_NEXT_DB),
            (candidates, _ALIKE_DB),
        ):
            place, ratio = self._closest(tensor, group)
            if ratio >= least and (not same or place in same):
                self.places[tensor.index] = place
                if ratio >= _ALIKE_DB:
                    self.alike.add(tensor.index)
                return
        if same and tensor.op not in _LAYOUT:
            free = [p for p in same if p not in self.places.values()]
            self.places[tensor.index] = (free or same)[0]

    def take_end(self, tensor):
        """Takes the output of the model that has the number of the file's."""
        if tensor.end is None or tensor.index in self.places:
            return
        for place in self._candidates(tensor, set()):
            if self._outputs[place].end == tensor.end:
                self.places[tensor.index] = place

    def take_nearest(self, tensor):
        """Takes what comes next in Keras, for a tensor that is wrong."""
        if tensor.index in self.places or tensor.op in _LAYOUT:
            return
        if self._is_inside_layer(tensor):
            return
        sources = self._sources(tensor)
        taken = set(self.places.values())
        candidates = [
            place
            for place in self._candidates(tensor, sources)
            if place not in taken
        ]
        candidates = self._following(tensor, candidates)
        candidates = self._as_merged(tensor, sources, candidates) or candidates
        if candidates:
            place, _ = self._closest(tensor, candidates)
            self.places[tensor.index] = place

    def _is_inside_layer(self, tensor):
        """Whether it leads to a right one by more steps than Keras has.

        Either the file has more kernels on the way than the layers of Keras,
        or the tensor comes behind a kernel and the right one before the next.
        """
        ends = self._alike_after(tensor)
        depth = self._depths[tensor.index]
        is_behind = not tensor.has_weights
        if is_behind and any(self._depths[end] == depth for end in ends):
            return True
        return any(
            self._depth_in_keras(origin, self._tensors[end])
            > self._outputs[self.places[end]].depth
            for origin in self._origins(tensor)
            for end in ends
        )

    def _alike_after(self, tensor):
        """The nearest tensors behind this one that are right."""
        return self._nearest(
            self._readers[tensor.index], self.alike, self._readers.get
        )

    def _origins(self, tensor):
        """The nearest tensors before this one that belong to an output."""
        return self._nearest(
            tensor.inputs, self.places, lambda i: self._tensors[i].inputs
        )

    def _sources(self, tensor):
        return {self.places[index] for index in self._origins(tensor)}

    def _nearest(self, start, wanted, step):
        found, waiting, seen = set(), list(start), set()
        while waiting:
            index = waiting.pop()
            if index in wanted:
                found.add(index)
            elif index not in seen:
                seen.add(index)
                waiting.extend(step(index))
        return found

    def _candidates(self, tensor, sources):
        if tensor.values is None:
            return []
        return [
            place
            for place in self._by_size.get(tensor.values.shape, ())
            if sources <= self._outputs[place].ancestors | {place}
        ]

    def _following(self, tensor, candidates):
        """Those of the candidates behind as many kernels as the tensor."""
        depth = max(
            (self._depth_in_keras(i, tensor) for i in self._origins(tensor)),
            default=0,
        )
        return [p for p in candidates if self._outputs[p].depth == depth]

    def _as_merged(self, tensor, sources, candidates):
        """Those behind as many sums, products, ... as the tensor."""
        merges = max((self._outputs[p].merges for p in sources), default=0)
        merges += len(set(tensor.inputs)) > 1
        return [p for p in candidates if self._outputs[p].merges == merges]

    def _depth_in_keras(self, origin, tensor):
        kernels = self._depths[tensor.index] - self._depths[origin]
        return self._outputs[self.places[origin]].depth + kernels

    def _same_key(self, tensor, candidates):
        keys = [self._outputs[place].key for place in candidates]
        return [
            place
            for place, key in zip(candidates, keys, strict=True)
            if key is not None and _is_same(tensor, *key)
        ]

    def _closest(self, tensor, candidates):
        """The nearest of them and its ratio in dB, on a part of the values."""
        if not candidates:
            return None, -math.inf
        # At random: a regular choice may meet the same channels each time.
        generator = np.random.default_rng(0)
        size = tensor.values.size
        chosen = generator.choice(size, min(size, _COMPARED), replace=False)
        values = tensor.values.reshape(-1)[chosen]
        ratios = [
            sqnr_db(self._outputs[place].values.reshape(-1)[chosen], values)
            for place in candidates
        ]
        best = int(np.argmax(ratios))
        return candidates[best], ratios[best]


def _is_same(tensor, scale, zero_point):
    if tensor.scale is None or tensor.zero_point != zero_point:
        return False
    return math.isclose(tensor.scale, scale, rel_tol=_SAME_SCALE)
