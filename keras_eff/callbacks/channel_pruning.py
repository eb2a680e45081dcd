import warnings

import keras
from keras import ops

from keras_eff import arguments
from keras_eff import renamed
from keras_eff.callbacks import steps
from keras_eff.callbacks.after_history import after_history
from keras_eff.channels.choice import SCOPES
from keras_eff.channels.choice import Limits
from keras_eff.channels.graph import ChannelGraph
from keras_eff.channels.planner import Planner
from keras_eff.channels.silent import constrain
from keras_eff.channels.silent import keep_silent
from keras_eff.channels.silent import silent
from keras_eff.channels.weight_averages import averages_of
from keras_eff.distillation.method_patches import in_scope_of
from keras_eff.graph import walk
from keras_eff.pruning.pruning_plan import FAR
from keras_eff.pruning.pruning_plan import TRAIN_LONGER


class ChannelPruning(keras.callbacks.Callback):
    """Silences more and more channels of a model while it trains.

    Every `interval` steps of the optimizer, the channels of least saliency are
    set to zero, until the share that the schedule asks for at that step is
    gone: weights, biases, and scales and offsets of normalizations, of all
    layers that are tied. Afterwards the channels are taken out, which leaves
    what the model computes as it is:

    ```python
    schedule = keras_eff.schedules.PolynomialDecay(0.0, 0.5, 0, 2000)
    pruning = keras_eff.callbacks.ChannelPruning(schedule)
    model.fit(x, y, epochs=10, callbacks=[pruning])
    smaller = keras_eff.remove_channels(model)
    ```

    Silent channels stay silent: in averaged weights (`use_ema` of an optimizer,
    `keras.callbacks.SwapEMAWeights`), and, as a constraint of the variables, in
    every later `fit` of this model, with this callback or without it; copies
    have no such constraint. What is silent shows in the weights, so that a run
    restored from a checkpoint, or with a new optimizer, goes on with these
    channels and what the schedule asks for beyond them at its step.

    Logs `channel_sparsity`, the share of all channels that is gone, those that
    cannot go included. A training that ends before its schedule, or whose
    weights are restored at its end, warns with what was asked for and what was
    reached.

    In a loop of your own, call `set_model(model)` before it, and
    `on_train_batch_end(batch)` after each batch. Without an optimizer that the
    model is compiled with, batches are counted in place of its steps.

    Args:
        schedule: Function of the step that returns the sparsity in [0, 1),
            such as a `keras_eff.schedules.SparsitySchedule`.
        interval: Positive integer, steps from one update to the next.
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
        RuntimeError: If batches end before `set_model` is called.

    Example:

    >>> schedule = keras_eff.schedules.PolynomialDecay(0.0, 0.5, 0, 8)
    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)]
    ... )
    >>> model.compile("adam", "mse")
    >>> pruning = keras_eff.callbacks.ChannelPruning(schedule, interval=2)
    >>> x, y = np.ones((80, 4)), np.ones((80, 2))
    >>> history = model.fit(x, y, 10, callbacks=[pruning], verbose=0)
    >>> keras_eff.remove_channels(model).layers[1].units
    4

    Reference:
        - [Zhu & Gupta, 2017](https://arxiv.org/abs/1710.01878), the schedule
    """

    frequency = renamed.renamed_attribute("frequency", "interval")

    @renamed.renamed_arguments(frequency="interval")
    def __init__(
        self,
        schedule,
        interval=100,
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
        steps.check_schedule(schedule)
        self.schedule = schedule
        self.interval = arguments.read_integer("interval", interval, 1)
        self.saliency = saliency
        self.scope = arguments.read_choice("scope", scope, SCOPES)
        self.skip = skip
        self.dataset = dataset
        self._limits = Limits(multiple_of, min_channels, max_layer_sparsity)
        self._forget()

    def _forget(self):
        self._graph = self._step = None
        self._first = self._num_batches = 0
        self._removed = frozenset()
        self._changes = []
        self._sparsity = self._asked = 0.0
        self._has_told = False

    def set_model(self, model):
        super().set_model(model)
        self._forget()
        if walk.is_graph(model) and not _is_open(model):
            self._read()

    def on_epoch_begin(self, epoch, logs=None):
        # A model without an input is built by its first batch.
        if self._step is None and not _is_open(self.model):
            self._begin()
            self._has_told = self._tell_of_length(epoch)

    def on_train_batch_end(self, batch, logs=None):
        if self._step is None:
            self._begin()
        self._num_batches += 1
        before, self._step = self._step, self._steps_made()
        if self._step // self.interval > before // self.interval:
            self._update(self._step, self._planner())
        else:
            self._silence()
        if logs is not None:
            logs["channel_sparsity"] = self._sparsity

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["channel_sparsity"] = self._sparsity

    def on_train_end(self, logs=None):
        if self._step is None:
            return
        # Where a traced function takes variables for constants, it is stale.
        self.model.train_function = None
        asked = float(self.schedule(FAR))
        if not self._has_told and self._is_short(self._asked, asked):
            warnings.warn(
                f"{self.schedule} has not come to its end: it asks for a share "
                f"of {asked:.4g} of the channels in the end, and at step "
                f"{self._step}, where training ended, {self._asked:.4g} was "
                f"reached: {TRAIN_LONGER}",
                stacklevel=2,
            )
        if self.params and getattr(self.model, "history", None) is not None:
            # Behind the callbacks of the caller, which may restore weights.
            after_history(self.model, self._end)
        else:
            self._end()

    def _end(self):
        """Warns if fewer channels are silent than in the last step."""
        left = silent(self._graph, self._removed)
        if len(left) < len(self._removed):
            share = self._sparsity * len(left) / len(self._removed)
            warnings.warn(
                "Weights were restored at the end of training in which fewer "
                f"channels are silent: a share of {self._sparsity:.4g} of the "
                f"channels was silent, {share:.4g} is now",
                stacklevel=2,
            )

    def _tell_of_length(self, epoch):
        """Warns if the training is too short; returns whether it is."""
        batches = (self.params or {}).get("steps")
        if not batches:
            return False
        batches *= self.params["epochs"] - epoch
        end = self._step + batches // steps.accumulation_steps(self.model)
        last = end // self.interval * self.interval
        reached, asked = float(self.schedule(last)), float(self.schedule(FAR))
        if not self._is_short(reached, asked):
            return False
        warnings.warn(
            f"{self.schedule} cannot finish: training ends at step {end} and "
            f"its last update, at step {last} with interval="
            f"{self.interval}, silences a share of {reached:.4g}, not "
            f"{asked:.4g}: {TRAIN_LONGER}",
            stacklevel=2,
        )
        return True

    def _is_short(self, reached, asked):
        """Whether more channels go for one share than for another."""
        if reached >= asked:
            return False
        planner = self._planner()
        counts = [
            len(planner.plan(share, self._removed).removed)
            for share in (reached, asked)
        ]
        return counts[0] < counts[1]

    def _read(self):
        """Looks at the model; from now on, its optimizer keeps silence."""
        self._graph = ChannelGraph(self.model)
        with in_scope_of(self.model):
            is_new = constrain(self._graph, self.model)
        if is_new and self.model.train_function is not None:
            # It was traced without the constraints.
            self.model.make_train_function(force=True)

    def _begin(self):
        if self.model is None:
            raise RuntimeError(
                "`ChannelPruning` does not know its model: in a loop of your "
                "own, call `set_model(model)` before it. Received: model=None"
            )
        if self._graph is None:
            walk.check_graph(self.model, "keras_eff.callbacks.ChannelPruning")
            self._read()
        planner = self._planner()
        self._removed = planner.silent()
        if not planner.groups:
            warnings.warn(
                "No channel of the model can go: `ChannelPruning` changes "
                "nothing. Print `keras_eff.plan_channels(model, 0.5)` to see "
                f"why. Received: model {self.model.name!r}, skip={self.skip!r}",
                stacklevel=2,
            )
        self._first = self._step = self._iterations()
        last = self._step // self.interval * self.interval
        self._update(last, planner)

    def _iterations(self):
        has_optimizer = getattr(self.model, "optimizer", None) is not None
        return steps.iterations(self.model) if has_optimizer else 0

    def _steps_made(self):
        """The optimizer's steps; of batches, where it has made none."""
        moved = self._iterations() - self._first
        batches = self._num_batches // steps.accumulation_steps(self.model)
        return self._first + (moved or batches)

    def _planner(self):
        return Planner(
            self.model,
            self.saliency,
            self.scope,
            self._limits,
            self.skip,
            self.dataset,
            self._graph,
        )

    def _update(self, step, planner):
        self._asked = float(self.schedule(step))
        plan = planner.plan(self._asked, self._removed)
        total = sum(group.num_channels for group in plan.groups)
        self._removed = plan.removed
        self._sparsity = len(plan.removed) / total if total else 0.0
        self._changes = keep_silent(plan.graph, plan.removed)
        self._silence()

    def _silence(self):
        # An optimizer has averages from its first step on.
        averages = averages_of(self.model)
        for variable, gone, held in self._changes:
            for each in (variable, averages.get(id(variable))):
                if each is not None:
                    value = ops.convert_to_tensor(each)
                    each.assign(ops.where(gone, held, value))


def _is_open(model):
    """Whether a model waits for data to know its inputs."""
    return walk.is_graph(model) and not (
        model.built and getattr(model, "inputs", None)
    )
