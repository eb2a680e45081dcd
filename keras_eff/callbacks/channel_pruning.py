import keras
from keras import ops

from keras_eff.callbacks.steps import check_frequency
from keras_eff.callbacks.steps import check_schedule
from keras_eff.callbacks.steps import iterations
from keras_eff.channels.arguments import check_limits
from keras_eff.channels.choice import Limits
from keras_eff.channels.cut import silence
from keras_eff.channels.graph import ChannelGraph
from keras_eff.channels.planner import Planner
from keras_eff.transforms.graph import check_graph


class ChannelPruning(keras.callbacks.Callback):
    """Silences more and more channels of a model while it trains.

    Every `frequency` steps of the optimizer, the channels of least saliency are
    set to zero, until the share that the schedule asks for at that step is
    gone: weights, biases, and scales and offsets of normalizations, of all
    layers that are tied. They stay zero. Afterwards the channels are taken out,
    which leaves what the model computes as it is:

    ```python
    schedule = keras_eff.schedules.PolynomialDecay(0.0, 0.5, 0, 2000)
    pruning = keras_eff.callbacks.ChannelPruning(schedule)
    model.fit(x, y, epochs=10, callbacks=[pruning])
    smaller = keras_eff.remove_channels(model)
    ```

    The step is the optimizer's, and what is gone shows in the weights, so that
    a run restored from a checkpoint goes on where it stopped. Logs
    `channel_sparsity`, the share of all channels that is gone, those that
    cannot go included.

    Args:
        schedule: Function of the step that returns the sparsity in [0, 1),
            such as a `keras_eff.schedules.SparsitySchedule`.
        frequency: Positive integer, steps from one update to the next.
        saliency: See `keras_eff.plan_channels`.
        scope: "layer" or "global", see `keras_eff.plan_channels`.
        max_layer_sparsity: See `keras_eff.plan_channels`.
        multiple_of: See `keras_eff.plan_channels`.
        min_channels: See `keras_eff.plan_channels`.
        skip: See `keras_eff.plan_channels`.
        dataset: See `keras_eff.plan_channels`.

    Raises:
        TypeError: If `schedule` is no function.
        ValueError: If an argument is out of range, or, when training begins,
            the model is a subclassed one.

    Example:

    >>> schedule = keras_eff.schedules.PolynomialDecay(0.0, 0.5, 0, 8)
    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)]
    ... )
    >>> model.compile("adam", "mse")
    >>> pruning = keras_eff.callbacks.ChannelPruning(schedule, frequency=2)
    >>> x, y = np.ones((80, 4)), np.ones((80, 2))
    >>> history = model.fit(x, y, 10, callbacks=[pruning], verbose=0)
    >>> keras_eff.remove_channels(model).layers[1].units
    4

    Reference:
        - [Zhu & Gupta, 2017](https://arxiv.org/abs/1710.01878), the schedule
    """

    def __init__(
        self,
        schedule,
        frequency=100,
        *,
        saliency="l1",
        scope="layer",
        max_layer_sparsity=0.9,
        multiple_of=1,
        min_channels=1,
        skip=(),
        dataset=None,
    ):
        super().__init__()
        check_schedule(schedule)
        check_frequency(frequency)
        if scope not in ("layer", "global"):
            raise ValueError(
                'Argument `scope` must be "layer" or "global". '
                f"Received: scope={scope!r}"
            )
        check_limits(multiple_of, min_channels, max_layer_sparsity)
        self.schedule = schedule
        self.frequency = frequency
        self.saliency = saliency
        self.scope = scope
        self.skip = skip
        self.dataset = dataset
        self._limits = Limits(multiple_of, min_channels, max_layer_sparsity)
        self._step = None
        self._graph = None
        self._silenced = []
        self._sparsity = 0.0

    def set_model(self, model):
        super().set_model(model)
        self._step = None

    def on_epoch_begin(self, epoch, logs=None):
        if self._step is None:
            check_graph(self.model, "keras_eff.callbacks.ChannelPruning")
            self._graph = ChannelGraph(self.model)
            self._step = iterations(self.model)
            self._update(self._step // self.frequency * self.frequency)

    def on_train_batch_end(self, batch, logs=None):
        before, self._step = self._step, iterations(self.model)
        if self._step // self.frequency > before // self.frequency:
            self._update(self._step)
        else:
            self._silence()
        if logs is not None:
            logs["channel_sparsity"] = self._sparsity

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["channel_sparsity"] = self._sparsity

    def _update(self, step):
        planner = Planner(
            self.model,
            self.saliency,
            self.scope == "global",
            self._limits,
            self.skip,
            self.dataset,
            self._graph,
        )
        plan = planner.plan(float(self.schedule(step)))
        total = sum(group.num_channels for group in plan.groups)
        self._sparsity = len(plan.removed) / total if total else 0.0
        self._silenced = [
            (variable, gone, held.astype(variable.dtype))
            for variable, gone, held in silence(plan.graph, set(plan.removed))
        ]
        self._silence()

    def _silence(self):
        for variable, gone, held in self._silenced:
            variable.assign(ops.where(gone, held, variable))
