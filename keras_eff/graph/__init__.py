"""The engine: a model walked, copied, rebuilt; what is known of its layers."""

from keras_eff.graph import layer_entries
from keras_eff.graph import operation_entries

# They fill the book.
__all__ = ["layer_entries", "operation_entries"]
