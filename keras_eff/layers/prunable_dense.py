import keras

from keras_eff.layers.prunable_layer import PrunableLayer


@keras.saving.register_keras_serializable(package="keras_eff")
class PrunableDense(PrunableLayer):
    """`keras.layers.Dense` with a kernel that can be pruned.

    Its twin in all respects until something prunes it:
    `keras_eff.callbacks.PruningScheduler` in `fit`, by `schedule` or its own.
    Pruned weights stay exactly zero, in training, in the saved model and in
    the exported file. Training and inference are alike.

    Args:
        units: Positive integer, size of the output.
        schedule: Optional function of the step that returns the sparsity,
            such as a `keras_eff.schedules.SparsitySchedule`.
        pattern: "unstructured", "channel" or "N:M", see
            `keras_eff.layers.PruningMask`.
        block_shape: Pair of positive integers, over inputs and units.
        **kwargs: Other arguments of `keras.layers.Dense`.

    Call arguments:
        inputs: Float tensor.

    Input shape:
        That of `keras.layers.Dense`.

    Output shape:
        That of `keras.layers.Dense`.

    Raises:
        ValueError, TypeError: As `keras_eff.layers.PruningMask` and
            `keras.layers.Dense`.

    Example:

    >>> schedule = keras_eff.schedules.ConstantSparsity(0.9)
    >>> layer = keras_eff.layers.PrunableDense(300, schedule, activation="relu")
    >>> tuple(layer(np.ones((1, 20))).shape), layer.units
    ((1, 300), 300)
    """

    twin = keras.layers.Dense

    def __init__(
        self,
        units,
        schedule=None,
        *,
        pattern="unstructured",
        block_shape=(1, 1),
        **kwargs,
    ):
        arguments = {"units": units, **kwargs}
        super().__init__(arguments, schedule, pattern, block_shape)
