"""What is public, and that it is enough to name all that comes back."""

import importlib
import inspect
import typing

import pytest

import keras_eff
from keras_eff.quantization import sensitivity_report

# What a plan acts with, not what it tells.
_NOT_READ = {"ChannelGraph"}
FACES = ("callbacks", "distillation", "export", "latency", "layers")
FACES += ("schedules", "text", "tuning")
UNPLACED = (
    "KeepFloat",
    "LinearRecurrence",
    "LocalAttentionPooling",
    "SetMask",
    "Zoneout",
)


def public_objects():
    """{dotted name: object} of all public faces."""
    modules = [keras_eff]
    modules += [importlib.import_module(f"keras_eff.{x}") for x in FACES]
    return {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in modules
        for name in module.__all__
    }


def classes_in(annotation):
    """The classes of keras_eff that an annotation names."""
    parts = typing.get_args(annotation)
    if parts:
        return {kind for part in parts for kind in classes_in(part)}
    module = getattr(annotation, "__module__", "")
    is_ours = module.startswith("keras_eff.") and isinstance(annotation, type)
    return {annotation} if is_ours else set()


def returned(function):
    return typing.get_type_hints(function).get("return")


def test_each_class_that_comes_back_is_public_with_the_rows_it_holds():
    public = public_objects()
    waiting = set()
    for thing in public.values():
        if inspect.isfunction(thing):
            waiting |= classes_in(returned(thing))
    found = set()
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        hints = typing.get_type_hints(kind)
        new = {x for hint in hints.values() for x in classes_in(hint)}
        waiting |= new - found
    reports = {kind.__name__ for kind in found}
    assert {"Coverage", "WeightSparsity", "FactorPlan", "OpTime"} <= reports
    hidden = found - set(filter(inspect.isclass, public.values()))
    assert {kind.__name__ for kind in hidden} == _NOT_READ


def test_each_public_function_says_what_it_returns():
    functions = filter(inspect.isfunction, public_objects().values())
    silent = [f.__name__ for f in functions if returned(f) is None]
    # A figure of matplotlib, which is imported to draw one.
    assert silent == ["plot_pareto"]


@pytest.mark.parametrize("name", UNPLACED)
def test_parts_that_no_user_places_are_not_public_but_found(name):
    assert name not in keras_eff.layers.__all__
    with pytest.warns(DeprecationWarning, match=f"{name}.*keras_eff 0.3"):
        kind = getattr(keras_eff.layers, name)
    assert kind.__name__ == name


def test_the_sensitivity_of_quantization_has_its_old_name_too():
    with pytest.warns(DeprecationWarning, match="QuantizationSensitivity"):
        from keras_eff.quantization import Sensitivity
    kind = keras_eff.QuantizationSensitivity
    assert Sensitivity is kind is sensitivity_report.QuantizationSensitivity
