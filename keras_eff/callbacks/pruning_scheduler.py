import copy

import keras

from keras_eff import renamed
from keras_eff.arguments import read_choice
from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.callbacks import steps
from keras_eff.callbacks.after_history import after_history
from keras_eff.callbacks.after_history import is_before_history
from keras_eff.pruning import mask_update
from keras_eff.pruning import pruning_plan
from keras_eff.pruning.dense_gradients import DenseGradients
from keras_eff.pruning.mask_floors import MaskFloors
from keras_eff.pruning.mask_update import DISTRIBUTIONS
from keras_eff.pruning.prunable import are_built
from keras_eff.pruning.prunable import prunables
from keras_eff.pruning.prunable import store_zeros
from keras_eff.pruning.saliency import CRITERIA
from keras_eff.pruning.saliency import SALIENCIES
from keras_eff.pruning.saliency import WeightStatistics
from keras_eff.pruning.saliency import check_dataset
from keras_eff.pruning.saliency import saliencies_of

_OR_FUNCTION = "or a function"


class PruningScheduler(keras.callbacks.Callback):
    """Prunes the prunable layers of a model while it trains.

    Every `interval` steps of the optimizer, each mask is set anew: the
    weights of least saliency go, until the share that the schedule asks for
    at that step is gone. A layer's own schedule comes before that of the
    callback. Pruned weights stay zero; with `regrow` some come back, as 0, in
    place of others. Stored weights are made truly zero after each batch, and
    in every file.

    The step is the optimizer's, and the masks are weights of the model, so
    that a run restored from a checkpoint goes on where it stopped. Where the
    optimizer of the model makes no steps, as beside a `train_step` with
    optimizers of its own, the batches are counted. What was pruned before the
    training stays pruned when the steps begin anew, as with a fresh optimizer:
    only `apply`, or a schedule that falls from one step to a later one, gives
    weights back. A training that ends with less than its schedule asks for
    warns of it. Logs `sparsity`, the share of all prunable weights that is
    zero.

    In a loop of your own, call `set_model(model)`, then `on_train_batch_end`
    after each step, with its number, and `on_train_end` in the end.

    Args:
        schedule: Function of the step that returns the sparsity in [0, 1),
            such as a `keras_eff.schedules.SparsitySchedule`; for the layers
            without one.
        interval: Positive integer, steps from one update to the next.
        saliency: What a weight `w` is worth: "magnitude", `|w|`; "momentum",
            the optimizer's mean of past gradients `|m|`; "taylor", `|w g|`
            with the gradient `g` of the loss; "obd", `w**2 h / 2` with `h` the
            mean square of the gradients of single samples; or a function from
            a weight to as many numbers, 0 or more, in NumPy.
        distribution: "uniform", every weight has the sparsity asked for;
            "global", all layers of one schedule share a budget; "erk", they
            have it by Erdős–Rényi-Kernel, more for larger layers.
        regrow: What takes the place of weights: None, nothing; "gradient",
            pruned weights of the largest gradient (RigL); "momentum", those of
            the largest mean gradient, which the optimizer keeps for pruned
            weights too then (SNFS); or "random" (SET).
        regrow_fraction: Float in (0, 1), share of the kept weights that an
            update exchanges at first; it falls as a half cosine to 0 at three
            quarters of the training. Or a function of the step.
        dataset: Tuple of arrays `(x, y)` or `(x, y, sample_weight)`, for
            "taylor", "obd" and "gradient": each update draws 128 rows.

    Raises:
        ValueError: If an argument is out of range, a choice needs `dataset`,
            or, when training begins, if the model has nothing to prune, a layer
            has no schedule, or a pattern cannot reach its sparsity.

    Example:

    >>> schedule = keras_eff.schedules.PolynomialDecay(0.0, 0.8, 0, 8)
    >>> model = keras.Sequential(
    ...     [keras.Input((20,)), keras_eff.layers.PrunableDense(5, schedule)]
    ... )
    >>> model.compile("adam", "mse")
    >>> pruning = keras_eff.callbacks.PruningScheduler(interval=2)
    >>> x, y = np.ones((80, 20)), np.ones((80, 5))
    >>> history = model.fit(x, y, 10, callbacks=[pruning], verbose=0)
    >>> round(history.history["sparsity"][-1], 3)
    0.8

    Reference:
        - [Zhu & Gupta, 2017](https://arxiv.org/abs/1710.01878)
        - [Evci et al., 2020](https://arxiv.org/abs/1911.11134), RigL and ERK
        - [Dettmers & Zettlemoyer, 2019](https://arxiv.org/abs/1907.04840),
          sparse momentum (SNFS). Layers do not take weights from one another
          unless `distribution` is "global", where the largest momentum wins.
        - [LeCun et al., 1990](https://papers.nips.cc/paper/250), OBD, with the
          empirical Fisher information for the second derivatives
        - [Molchanov et al., 2019](https://arxiv.org/abs/1906.10771), "taylor"
    """

    data = renamed.renamed_attribute("data", "dataset")
    frequency = renamed.renamed_attribute("frequency", "interval")
    scope = renamed.renamed_attribute("scope", "distribution")

    @renamed.renamed_arguments(
        data="dataset",
        frequency="interval",
        scope=("distribution", {"layer": "uniform"}),
    )
    def __init__(
        self,
        schedule=None,
        interval=100,
        *,
        saliency="magnitude",
        distribution="uniform",
        regrow=None,
        regrow_fraction=0.3,
        dataset=None,
    ):
        super().__init__()
        if schedule is not None:
            steps.check_schedule(schedule)
        if not callable(saliency):
            read_choice("saliency", saliency, SALIENCIES, also=_OR_FUNCTION)
        if not callable(regrow_fraction):
            regrow_fraction = read_number(
                "regrow_fraction", regrow_fraction, "(0, 1)", also=_OR_FUNCTION
            )
        check_dataset(dataset, saliency, regrow)
        self.schedule = schedule
        self.interval = read_integer("interval", interval, 1)
        self.saliency = saliency
        self.distribution = read_choice(
            "distribution", distribution, DISTRIBUTIONS
        )
        self.regrow = read_choice("regrow", regrow, (None, *CRITERIA))
        self.regrow_fraction = regrow_fraction
        self.dataset = dataset
        self._gradients = None
        self._step = self._counter = self._floors = None
        self._asked = {}
        self._is_before_history = False

    def __deepcopy__(self, memo):
        # keras-tuner copies callbacks for each training: the data are shared.
        return copy.copy(self)

    def set_model(self, model):
        if model is not self.model:
            self._counter = None
        super().set_model(model)
        self._step = self._gradients = None
        for prunable in prunables(model):
            if prunable.mask.has_dense_gradient != self._is_dense:
                prunable.mask.has_dense_gradient = self._is_dense
                # It was traced with the other gradient.
                model.train_function = None

    @property
    def _is_dense(self):
        """Whether pruned weights get a gradient."""
        return self.regrow == "momentum"

    def on_epoch_begin(self, epoch, logs=None):
        # Keras may build the layers in the first batch.
        if self._step is None and are_built(self._given_model()):
            self._begin(epoch)
        if self._counter is not None:
            self._counter.begin_epoch()

    def on_train_batch_end(self, batch, logs=None):
        model = self._given_model()
        if self._step is None:
            self._begin(num_ended=batch + 1)
        before, self._step = self._step, self._counter.step_after(model, batch)
        if self._step // self.interval > before // self.interval:
            fraction = self._fraction(self._step) if self.regrow else 0.0
            self._update(model, self._step, fraction)
        else:
            # What the optimizer has moved, by the momentum from before.
            for prunable in self._pruned:
                prunable.hide()
        if logs is not None:
            logs["sparsity"] = self._sparsity

    def on_epoch_end(self, epoch, logs=None):
        model = self._given_model()
        store_zeros(model)
        self._is_before_history = is_before_history(model, epoch)
        if logs is not None and self._step is not None:
            logs["sparsity"] = self._sparsity

    def on_train_end(self, logs=None):
        model = self._given_model()
        store_zeros(model)
        self._gradients = None
        if self._step is None:
            return
        if self._is_before_history:
            # Callbacks to come may restore the weights of an earlier epoch.
            after_history(model, self._end)
        else:
            self._end()

    def _given_model(self):
        if self.model is None:
            raise RuntimeError(
                "`PruningScheduler` has no model: call `set_model(model)` "
                "before its other methods. Received: model=None"
            )
        return self.model

    def _begin(self, epoch=0, num_ended=0):
        model = self.model
        pruning_plan.check_gradients(model, self._is_dense)
        params = self.params or {}
        batches, epochs = params.get("steps"), params.get("epochs")
        counted = self._counter.num_batches if self._counter else 0
        self._counter = steps.StepCounter(model, counted, num_ended > 0)
        self._step = self._counter.step(model)
        end = None
        if batches and epochs:
            left = (epochs - epoch) * batches - num_ended
            end = self._step + left // steps.accumulation_steps(model)
        pools = pruning_plan.pools(model, self.schedule)
        self._asked = pruning_plan.check_end(
            pools, self.distribution, self.interval, end
        )
        if self.regrow is not None:
            self._fraction = pruning_plan.regrowth(
                pools, self.regrow, self.regrow_fraction, end
            )
        last = self._step // self.interval * self.interval
        self._floors = MaskFloors(pools, self.distribution, last, self._asked)
        if pruning_plan.is_behind(pools, last):
            self._update(model, last)
        self._note(pools)

    def _end(self):
        model = self.model
        store_zeros(model)
        pools = pruning_plan.pools(model, self.schedule)
        pruning_plan.check_reached(pools, self._asked, self._step)

    def apply(self, model, step=0):
        """Prunes a model at once, without `fit`.

        Masks that hide more than the schedules ask for give weights back, as 0.

        Args:
            model: `keras.Model` with prunable layers; compiled, if the saliency
                is of gradients or momentum.
            step: Integer, the step at which the schedules are read.
        """
        self._gradients = self._floors = None
        self._update(model, step)
        self._gradients = None

    def _update(self, model, step, fraction=0.0):
        pools = pruning_plan.pools(model, self.schedule)
        weights = [p for pool in pools.values() for p in pool]
        statistics = self._statistics(model, weights, step)
        masks = [p.mask for p in weights]
        found = saliencies_of(self.saliency, statistics)
        saliencies = dict(zip(masks, found, strict=True))
        criteria = {}
        if fraction:
            grown = CRITERIA[self.regrow](statistics)
            criteria = dict(zip(masks, grown, strict=True))
        for schedule, pool in pools.items():
            asked = float(schedule(step))
            for group, share in mask_update.budgets(
                [p.mask for p in pool], self.distribution, asked
            ):
                if self._floors is not None:
                    share = self._floors.raised(group, share)
                mask_update.update(group, saliencies, share, criteria, fraction)
        if self._floors is not None:
            self._floors.note(masks)
        for prunable, weight in zip(weights, statistics.weights, strict=True):
            # What was hidden comes back as 0, wherever the optimizer moved it.
            prunable.store_zeros(weight)
        self._note(pools)

    def _note(self, pools):
        """Keeps what is the same until the next update."""
        self._sparsity = pruning_plan.sparsity(pools)
        weights = [p for pool in pools.values() for p in pool]
        self._pruned = [p for p in weights if p.mask.sparsity]

    def _statistics(self, model, weights, step):
        if self.dataset is not None and self._gradients is None:
            self._gradients = DenseGradients(model, weights, self.dataset)
        return WeightStatistics(model, weights, self._gradients, step)
