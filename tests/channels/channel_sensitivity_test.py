import keras
import numpy as np
import pytest

import keras_eff

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")


@pytest.fixture(scope="module")
def model():
    """The outputs depend on half of the channels of one layer alone."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(4, use_bias=False, name="needed"),
            keras.layers.Dense(2, use_bias=False, name="head"),
        ]
    )
    kernel = np.eye(4) * [1.0, 2.0, 0.1, 0.1]
    model.set_weights([kernel, np.eye(4)[:, :2]])
    model.compile(loss="mse", metrics=["mae"], jit_compile=False)
    return model


@pytest.fixture(scope="module")
def found(model):
    data = (X, X[:, :2] * [1.0, 2.0])
    return keras_eff.channel_sensitivity(
        model, data, (0.75, 0.5), metric="mae", mode="min", verbose=0
    )


def test_metrics_are_those_without_the_least_channels(found):
    half, most = found.removals
    assert (half.group, half.sparsity, half.num_removed) == ("needed", 0.5, 2)
    assert half.value == pytest.approx(found.baseline, abs=1e-6)
    without_first = np.abs(X[:, 0]).sum() / X[:, :2].size
    assert most.value == pytest.approx(without_first, rel=1e-4)


def test_model_is_left_as_it_was(model, found):
    assert model.get_weights()[0][0, 0] == 1.0


def test_sparsities_are_the_most_within_the_drop(model, found):
    assert found.sparsities(max_drop=1e-4) == {"needed": 0.5}
    assert found.sparsities(max_drop=9.0) == {"needed": 0.75}
    smaller = keras_eff.remove_channels(model, found.sparsities(1e-4))
    np.testing.assert_allclose(smaller(X), model(X), atol=1e-6)


def test_table_has_a_row_for_each_group(found):
    lines = str(found).splitlines()
    assert lines[1].split() == ["group", "0.5", "0.75"]
    assert lines[2].startswith("needed")


def test_picture_is_written(found, tmp_path):
    pytest.importorskip("matplotlib")
    found.plot(tmp_path / "sensitivity.png")
    png = (tmp_path / "sensitivity.png").read_bytes()
    assert png.startswith(b"\x89PNG")


def test_a_negative_drop_raises(found):
    with pytest.raises(ValueError, match="`max_drop`.*Received"):
        found.sparsities(-0.1)


@pytest.mark.parametrize(
    "name, options",
    [
        ("metric", {"metric": "accuracy"}),
        ("mode", {"mode": "most"}),
        ("sparsities", {"sparsities": 1.0}),
        ("verbose", {"verbose": 2}),
    ],
    ids=["metric", "mode", "sparsities", "verbose"],
)
def test_arguments_out_of_range_raise(model, name, options):
    given = {"metric": "mae", "mode": "min", **options}
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        keras_eff.channel_sensitivity(model, (X, X[:, :2]), **given)


def test_the_old_name_works_and_tells_the_new_one(model, recwarn):
    options = {"metric": "mae", "mode": "min", "verbose": 0}
    found = keras_eff.sensitivity(model, (X, X[:, :2]), 0.5, **options)
    told = [str(w.message) for w in recwarn]
    assert any("0.3: call `keras_eff.channel_sens" in text for text in told)
    assert isinstance(found, keras_eff.ChannelSensitivity)
    assert isinstance(found.removals[0], keras_eff.Removal)


def test_a_model_must_be_compiled():
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="compiled"):
        keras_eff.channel_sensitivity(plain, (X, X[:, :2]))
