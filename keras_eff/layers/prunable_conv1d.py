import keras

from keras_eff.layers.prunable_layer import PrunableLayer


@keras.saving.register_keras_serializable(package="keras_eff")
class PrunableConv1D(PrunableLayer):
    """`keras.layers.Conv1D` with a kernel that can be pruned.

    Its twin in all respects until something prunes it:
    `keras_eff.callbacks.PruningScheduler` in `fit`, by `schedule` or its own.
    Pruned weights stay exactly zero, in training, in the saved model and in
    the exported file. Training and inference are alike.

    Args:
        filters: Positive integer, number of output channels.
        kernel_size: Integer, length of the window.
        schedule: Optional function of the step that returns the sparsity,
            such as a `keras_eff.schedules.SparsitySchedule`.
        pattern: "unstructured", "channel" or "N:M", see
            `keras_eff.layers.PruningMask`.
        block_shape: Pair of positive integers, over input and output channels.
        **kwargs: Other arguments of `keras.layers.Conv1D`.

    Call arguments:
        inputs: Float tensor.

    Input shape:
        That of `keras.layers.Conv1D`.

    Output shape:
        That of `keras.layers.Conv1D`.

    Raises:
        ValueError, TypeError: As `keras_eff.layers.PruningMask` and
            `keras.layers.Conv1D`.

    Example:

    >>> layer = keras_eff.layers.PrunableConv1D(8, 3, pattern="2:4")
    >>> tuple(layer(np.ones((1, 20, 4))).shape), layer.pattern
    ((1, 18, 8), '2:4')
    """

    twin = keras.layers.Conv1D

    def __init__(
        self,
        filters,
        kernel_size,
        schedule=None,
        *,
        pattern="unstructured",
        block_shape=(1, 1),
        **kwargs,
    ):
        arguments = {"filters": filters, "kernel_size": kernel_size, **kwargs}
        super().__init__(arguments, schedule, pattern, block_shape)
