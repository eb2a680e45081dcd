"""The lottery ticket hypothesis, on digits: does a sparse net need its luck?

Trains a dense network, prunes the smallest weights of all layers together,
rewinds those that are left to their first values, and again, a share of what
is left in each round. The sparse network so found is trained once more from
its first values (the ticket), and from new random ones (the control, Liu et
al.); both are compared with the dense network on the test images.

    python examples/lottery_ticket.py --rounds=4 --seeds=0,1,2

References: Frankle & Carbin, 2019 (arXiv:1803.03635), iterative pruning with
rewinding; Liu et al., 2019 (arXiv:1810.05270), the control.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags

import keras_eff
from support import image_data

_ROUNDS = flags.DEFINE_integer("rounds", 4, "Rounds of pruning.", 1)
_FRACTION = flags.DEFINE_float("fraction", 0.5, "What a round prunes.", 0, 0.99)
_EPOCHS = flags.DEFINE_integer("epochs", 10, "Epochs of each training.", 1)
_SEEDS = flags.DEFINE_list("seeds", "0", "Seeds, one experiment for each.")
_TRAIN_SIZE = flags.DEFINE_integer("train_size", None, "Training images.", 1)


def build_mlp(data):
    """LeNet-300-100, its hidden layers prunable."""
    return keras.Sequential(
        [
            keras.Input(data.train[0].shape[1:]),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras_eff.layers.PrunableDense(300, activation="relu"),
            keras_eff.layers.PrunableDense(100, activation="relu"),
            keras.layers.Dense(data.num_classes),
        ]
    )


def accuracy(model, data):
    """Trains; returns the accuracy on the test images."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    model.fit(*data.train, 64, _EPOCHS.value, verbose=0)
    return model.evaluate(*data.test, verbose=0)[1]


def values(model):
    return [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]


def rewind(model, first_values):
    """Gives the weights other values; the masks stay."""
    for variable, value in zip(
        model.trainable_variables, first_values, strict=True
    ):
        variable.assign(value)


def experiment(seed, data):
    """Accuracies of the dense network, the ticket and the control."""
    keras.utils.set_random_seed(seed)
    model = build_mlp(data)
    first_values = values(model)
    dense = accuracy(model, data)
    schedule = keras_eff.schedules.IterativeSparsity(
        _FRACTION.value, _ROUNDS.value, round_steps=1
    )
    pruning = keras_eff.callbacks.PruningScheduler(
        schedule, distribution="global"
    )
    for step in range(_ROUNDS.value):
        pruning.apply(model, step)
        rewind(model, first_values)
        ticket = accuracy(model, data)
    print(f"\nseed {seed}\n{keras_eff.sparsity(model)}")
    rewind(model, values(build_mlp(data)))
    return dense, ticket, accuracy(model, data)


def main(_):
    data = image_data.load_images(image_data.MNIST_5K, _TRAIN_SIZE.value)
    rows = [experiment(int(seed), data) for seed in _SEEDS.value]
    print(f"\n{len(data.test[0])} test images, seeds {_SEEDS.value}: accuracy")
    names = ("dense", "ticket", "random")
    for name, column in zip(names, np.transpose(rows), strict=True):
        spread = f"{min(column):.3f}-{max(column):.3f}"
        print(f"{name:<8}{column.mean():.3f} ({spread})")


if __name__ == "__main__":
    app.run(main)
