import keras

from keras_eff.layers.prunable_layer import PrunableLayer


@keras.saving.register_keras_serializable(package="keras_eff")
class PrunableConv2D(PrunableLayer):
    """`keras.layers.Conv2D` with a kernel that can be pruned.

    Its twin in all respects until something prunes it:
    `keras_eff.callbacks.PruningScheduler` in `fit`, by `schedule` or its own.
    Pruned weights stay exactly zero, in training, in the saved model and in
    the exported file. Training and inference are alike.

    Args:
        filters: Positive integer, number of output channels.
        kernel_size: Integer or pair of integers, size of the window.
        schedule: Optional function of the step that returns the sparsity,
            such as a `keras_eff.schedules.SparsitySchedule`.
        pattern: "unstructured", "channel" or "N:M", see
            `keras_eff.layers.PruningMask`.
        block_shape: Pair of positive integers, over input and output channels.
        **kwargs: Other arguments of `keras.layers.Conv2D`.

    Call arguments:
        inputs: Float tensor.

    Input shape:
        That of `keras.layers.Conv2D`.

    Output shape:
        That of `keras.layers.Conv2D`.

    Raises:
        ValueError, TypeError: As `keras_eff.layers.PruningMask` and
            `keras.layers.Conv2D`.

    Example:

    >>> layer = keras_eff.layers.PrunableConv2D(8, 3, pattern="channel")
    >>> tuple(layer(np.ones((1, 9, 9, 4))).shape), layer.pattern
    ((1, 7, 7, 8), 'channel')
    """

    twin = keras.layers.Conv2D

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
