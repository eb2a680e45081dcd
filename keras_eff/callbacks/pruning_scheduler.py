import copy
import numbers

import keras
import numpy as np

from keras_eff.callbacks import mask_update
from keras_eff.callbacks import pruning_plan
from keras_eff.callbacks.dense_gradients import DenseGradients
from keras_eff.callbacks.evidence import CRITERIA
from keras_eff.callbacks.evidence import NEEDS_DATA
from keras_eff.callbacks.evidence import SALIENCIES
from keras_eff.callbacks.evidence import Evidence
from keras_eff.callbacks.prunable import prunables
from keras_eff.callbacks.steps import check_frequency
from keras_eff.callbacks.steps import check_schedule
from keras_eff.callbacks.steps import iterations

# The share of the training in which weights are exchanged (RigL).
_REGROWTH_SHARE = 0.75


class PruningScheduler(keras.callbacks.Callback):
    """Prunes the prunable layers of a model while it trains.

    Every `frequency` steps of the optimizer, each mask is set anew: the
    weights of least saliency go, until the share that the schedule asks for
    at that step is gone. A layer's own schedule comes before that of the
    callback. Pruned weights stay zero; with `regrow` some come back, as 0, in
    place of others. Stored weights are made truly zero at each update, at the
    end of each epoch and at the end of training.

    The step is the optimizer's, and the masks are weights of the model, so
    that a run restored from a checkpoint goes on where it stopped. Logs
    `sparsity`, the share of all prunable weights that is zero.

    Args:
        schedule: Function of the step that returns the sparsity in [0, 1),
            such as a `keras_eff.schedules.SparsitySchedule`; for the layers
            without one.
        frequency: Positive integer, steps from one update to the next.
        saliency: What a weight `w` is worth: "magnitude", `|w|`; "momentum",
            the optimizer's mean of past gradients `|m|`; "taylor", `|w g|`
            with the gradient `g` of the loss; "obd", `w**2 h / 2` with `h` the
            mean square of the gradients of single samples; or a function from
            a weight to as many numbers, 0 or more, in NumPy.
        scope: "layer", every weight has the sparsity asked for; "global", all
            layers of one schedule share a budget; "erk", they have it by
            Erdős–Rényi-Kernel, more for larger layers.
        regrow: What takes the place of weights: None, nothing; "gradient",
            pruned weights of the largest gradient (RigL); "momentum", those of
            the largest mean gradient, which the optimizer keeps for pruned
            weights too then (SNFS); or "random" (SET).
        regrow_fraction: Float in (0, 1), share of the kept weights that an
            update exchanges at first; it falls as a half cosine to 0 at three
            quarters of the training. Or a function of the step.
        data: Tuple of arrays `(x, y)` or `(x, y, sample_weight)`, for "taylor",
            "obd" and "gradient": each update draws 128 rows.

    Raises:
        ValueError: If an argument is out of range, a choice needs `data`, or,
            when training begins, if the model has nothing to prune, a layer
            has no schedule, or a pattern cannot reach its sparsity.

    Example:

    >>> schedule = keras_eff.schedules.PolynomialDecay(0.0, 0.8, 0, 8)
    >>> model = keras.Sequential(
    ...     [keras.Input((20,)), keras_eff.layers.PrunableDense(5, schedule)]
    ... )
    >>> model.compile("adam", "mse")
    >>> pruning = keras_eff.callbacks.PruningScheduler(frequency=2)
    >>> x, y = np.ones((80, 20)), np.ones((80, 5))
    >>> history = model.fit(x, y, 10, callbacks=[pruning], verbose=0)
    >>> round(history.history["sparsity"][-1], 3)
    0.8

    Reference:
        - [Zhu & Gupta, 2017](https://arxiv.org/abs/1710.01878)
        - [Evci et al., 2020](https://arxiv.org/abs/1911.11134), RigL and ERK
        - [Dettmers & Zettlemoyer, 2019](https://arxiv.org/abs/1907.04840),
          sparse momentum (SNFS). Layers do not take weights from one another
          unless `scope` is "global", where the largest momentum wins.
        - [LeCun et al., 1990](https://papers.nips.cc/paper/250), OBD, with the
          empirical Fisher information for the second derivatives
        - [Molchanov et al., 2019](https://arxiv.org/abs/1906.10771), "taylor"
    """

    def __init__(
        self,
        schedule=None,
        frequency=100,
        *,
        saliency="magnitude",
        scope="layer",
        regrow=None,
        regrow_fraction=0.3,
        data=None,
    ):
        super().__init__()
        if schedule is not None:
            check_schedule(schedule)
        check_frequency(frequency)
        if not callable(saliency):
            _check_choice("saliency", saliency, SALIENCIES)
        _check_choice("scope", scope, mask_update.SCOPES)
        _check_choice("regrow", regrow, (None, *CRITERIA))
        _check_fraction(regrow_fraction)
        if {saliency, regrow} & NEEDS_DATA and not isinstance(data, tuple):
            raise ValueError(
                "Gradients need argument `data`, a tuple of arrays (x, y). "
                f"Received: data of {type(data)} with saliency={saliency!r}, "
                f"regrow={regrow!r}"
            )
        _check_lengths(data)
        self.schedule = schedule
        self.frequency = frequency
        self.saliency = saliency
        self.scope = scope
        self.regrow = regrow
        self.regrow_fraction = regrow_fraction
        self.data = data
        self._gradients = None
        self._step = None

    def __deepcopy__(self, memo):
        # keras-tuner copies callbacks for each training: the data are shared.
        return copy.copy(self)

    def set_model(self, model):
        super().set_model(model)
        self._step = self._gradients = None
        is_dense = self.regrow == "momentum"
        for prunable in prunables(model):
            if prunable.mask.has_dense_gradient != is_dense:
                prunable.mask.has_dense_gradient = is_dense
                # It was traced with the other gradient.
                model.train_function = None

    def on_epoch_begin(self, epoch, logs=None):
        if self._step is not None:
            return
        model = self.model
        self._step = iterations(model)
        batches = self.params.get("steps")
        epochs = self.params["epochs"] - epoch
        left = _num_steps(model.optimizer, epochs * batches) if batches else 0
        end = self._step + left if batches else None
        pools = pruning_plan.pools(model, self.schedule)
        pruning_plan.check_end(pools, self.scope, self.frequency, end)
        if self.regrow is not None:
            fraction = self.regrow_fraction
            pruning_plan.check_regrowth(pools, self.regrow, fraction, end)
            if not callable(fraction):
                fraction = pruning_plan.half_cosine(
                    fraction, _REGROWTH_SHARE * end
                )
            self._fraction = fraction
        last = self._step // self.frequency * self.frequency
        if pruning_plan.is_behind(pools, last):
            self._update(model, last)
        self._sparsity = pruning_plan.sparsity(pools)

    def on_train_batch_end(self, batch, logs=None):
        model = self.model
        before, self._step = self._step, iterations(model)
        if self._step // self.frequency > before // self.frequency:
            fraction = self._fraction(self._step) if self.regrow else 0.0
            self._update(model, self._step, fraction)
        if logs is not None:
            logs["sparsity"] = self._sparsity

    def on_epoch_end(self, epoch, logs=None):
        _store_zeros(self.model)
        if logs is not None:
            logs["sparsity"] = self._sparsity

    def on_train_end(self, logs=None):
        _store_zeros(self.model)
        self._gradients = None

    def apply(self, model, step=0):
        """Prunes a model at once, without `fit`.

        Args:
            model: `keras.Model` with prunable layers; compiled, if the saliency
                is of gradients or momentum.
            step: Integer, the step at which the schedules are read.
        """
        self._gradients = None
        self._update(model, step)
        self._gradients = None

    def _update(self, model, step, fraction=0.0):
        pools = pruning_plan.pools(model, self.schedule)
        weights = [p for pool in pools.values() for p in pool]
        evidence = self._evidence(model, weights, step)
        masks = [p.mask for p in weights]
        saliencies = dict(zip(masks, self._saliencies(evidence), strict=True))
        criteria = {}
        if fraction:
            grown = CRITERIA[self.regrow](evidence)
            criteria = dict(zip(masks, grown, strict=True))
        for schedule, pool in pools.items():
            asked = float(schedule(step))
            for group, share in mask_update.budgets(
                [p.mask for p in pool], self.scope, asked
            ):
                mask_update.update(group, saliencies, share, criteria, fraction)
        for prunable, weight in zip(weights, evidence.weights, strict=True):
            # What was hidden comes back as 0, wherever the optimizer moved it.
            prunable.store_zeros(weight)
        self._sparsity = pruning_plan.sparsity(pools)

    def _evidence(self, model, weights, step):
        if self.data is not None and self._gradients is None:
            self._gradients = DenseGradients(model, weights, self.data)
        return Evidence(model, weights, self._gradients, step)

    def _saliencies(self, evidence):
        if not callable(self.saliency):
            return SALIENCIES[self.saliency](evidence)
        saliencies = [np.asarray(self.saliency(w)) for w in evidence.weights]
        shapes = [w.shape for w in evidence.weights]
        if [s.shape for s in saliencies] != shapes:
            raise ValueError(
                "Argument `saliency` must return an array of the shape of the "
                f"weight. Received: shapes {[s.shape for s in saliencies]} for "
                f"weights of shapes {shapes}"
            )
        return saliencies


def _num_steps(optimizer, num_batches):
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return num_batches // (inner.gradient_accumulation_steps or 1)


def _store_zeros(model):
    for prunable in prunables(model):
        prunable.store_zeros()


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(
            f"Argument `{name}` must be one of {list(choices)}. "
            f"Received: {name}={value!r}"
        )


def _check_lengths(data):
    lengths = {len(x) for x in keras.tree.flatten(data) if x is not None}
    if len(lengths) > 1:
        raise ValueError(
            "Argument `data` must hold arrays of one length. "
            f"Received: lengths {sorted(lengths)}"
        )


def _check_fraction(value):
    is_number = isinstance(value, numbers.Real) and 0 < value < 1
    if not is_number and not callable(value):
        raise ValueError(
            "Argument `regrow_fraction` must be a float in (0, 1) or a "
            f"function of the step. Received: regrow_fraction={value!r}"
        )
