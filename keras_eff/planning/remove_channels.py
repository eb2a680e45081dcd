import keras

from keras_eff.planning.plan_channels import plan_channels


def remove_channels(
    model,
    sparsity=None,
    *,
    saliency="l1",
    scope="layer",
    max_layer_sparsity=0.9,
    multiple_of=1,
    min_channels=1,
    skip=(),
    dataset=None,
    max_parameters=None,
    max_macs=None,
    max_latency_ms=None,
    runner=None,
    verbose="auto",
) -> keras.Model:
    """Returns a smaller model: channels are taken out, not just zeroed.

    A clone with fewer filters, units, heads and so on, and the weights that are
    left. It is an ordinary Keras model, faster on any hardware, ready for
    `fit`, `keras_eff.quantize` and `keras_eff.export.to_tflite`. What it
    computes is what `model` computes with these channels set to zero.

    It is `keras_eff.plan_channels(model, sparsity).remove()`, with the same
    arguments; print the plan to see beforehand what goes.

    Args:
        model: Built `keras.Sequential` or Functional model. It is left as it
            was.
        sparsity: See `keras_eff.plan_channels`.
        saliency: See `keras_eff.plan_channels`.
        scope: See `keras_eff.plan_channels`.
        max_layer_sparsity: See `keras_eff.plan_channels`.
        multiple_of: See `keras_eff.plan_channels`.
        min_channels: See `keras_eff.plan_channels`.
        skip: See `keras_eff.plan_channels`.
        dataset: See `keras_eff.plan_channels`.
        max_parameters: See `keras_eff.plan_channels`.
        max_macs: See `keras_eff.plan_channels`.
        max_latency_ms: See `keras_eff.plan_channels`.
        runner: See `keras_eff.plan_channels`.
        verbose: See `keras_eff.plan_channels`.

    Returns:
        A Functional `keras.Model`, not compiled. Layers keep their names; one
        that `keras_eff.register_layer` opens gives way to its parts, if
        channels go inside it.

    Raises:
        What `keras_eff.plan_channels` raises.

    Example:

    >>> model = keras.Sequential(
    ...     [
    ...         keras.Input((16, 16, 3)),
    ...         keras.layers.Conv2D(8, 3),
    ...         keras.layers.BatchNormalization(),
    ...         keras.layers.ReLU(),
    ...         keras.layers.GlobalAveragePooling2D(),
    ...         keras.layers.Dense(10),
    ...     ]
    ... )
    >>> smaller = keras_eff.remove_channels(model, 0.5)
    >>> smaller.layers[1].filters
    4

    Reference:
        - [Li et al., 2017](https://arxiv.org/abs/1608.08710), filters by their
          L1 norm
    """
    return plan_channels(
        model,
        sparsity,
        saliency=saliency,
        scope=scope,
        max_layer_sparsity=max_layer_sparsity,
        multiple_of=multiple_of,
        min_channels=min_channels,
        skip=skip,
        dataset=dataset,
        max_parameters=max_parameters,
        max_macs=max_macs,
        max_latency_ms=max_latency_ms,
        runner=runner,
        verbose=verbose,
    ).remove()
