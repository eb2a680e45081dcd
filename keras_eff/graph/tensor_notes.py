from typing import Any


class TensorNotes:
    """A dict from tensors to what is known of them.

    Symbolic tensors have no hash: they are told apart by their ids. They are
    kept, so that an id is not given to another.
    """

    def __init__(self):
        self._pairs = {}

    def __setitem__(self, tensor, note: Any) -> None:
        self._pairs[id(tensor)] = (tensor, note)

    def __getitem__(self, tensor) -> Any:
        return self._pairs[id(tensor)][1]

    def __contains__(self, tensor) -> bool:
        return id(tensor) in self._pairs

    def get(self, tensor, default=None) -> Any:
        return self._pairs.get(id(tensor), (None, default))[1]
