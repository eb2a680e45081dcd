"""How far two networks that are equal for every purpose agree.

Rounding turns a difference in the last bits of a float into a whole step now
and then; a deep network passes it on. No file can agree better with its Keras
model than that model, moved by next to nothing, agrees with itself.
"""

import numpy as np


def agreement(outputs, expected):
    """Share of the samples with the same largest output."""
    return np.mean(outputs.argmax(-1) == expected.argmax(-1))


def agreement_of_equals(model, images):
    """Top-1 agreement of a model with itself, its weights moved by 1e-6."""
    before = model.predict(images, verbose=0)
    weights = model.get_weights()
    generator = np.random.default_rng(0)
    moved = [1 + 1e-6 * generator.standard_normal(w.shape) for w in weights]
    model.set_weights(
        # Not the ranges, which are single numbers.
        [w * m if w.ndim else w for w, m in zip(weights, moved, strict=True)]
    )
    after = model.predict(images, verbose=0)
    model.set_weights(weights)
    return agreement(after, before)
