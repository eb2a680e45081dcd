"""What a callback does last, when the others of `fit` have ended.

`fit` adds a `History` behind the callbacks of the caller. What these do as
training ends, as `EarlyStopping` restores weights, is done before it ends.
"""


def is_before_history(model, epoch) -> bool:
    """Whether the `History` of a `fit` has still to end an epoch."""
    history = getattr(model, "history", None)
    # One of a former `fit` has ended its last; without `fit` there is none.
    return history is not None and _is_open(history, epoch)


def after_history(model, action) -> None:
    """Runs an action, without arguments, when the `History` of `fit` ends."""
    history = model.history
    # Another callback may have left it an action too.
    before = history.on_train_end

    def on_train_end(logs=None):
        vars(history).pop("on_train_end", None)
        before(logs)
        action()

    history.on_train_end = on_train_end


def _is_open(history, epoch):
    return epoch not in getattr(history, "epoch", [epoch])
