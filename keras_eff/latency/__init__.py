"""Measures how fast an exported file runs on a device."""

from keras_eff.latency.android import Android
from keras_eff.latency.benchmark_model import BenchmarkModel
from keras_eff.latency.benchmark_tool.delegation import Delegation
from keras_eff.latency.benchmark_tool.op_profile import OpTime
from keras_eff.latency.latency import Latency
from keras_eff.latency.litert import LiteRT
from keras_eff.latency.measure import measure
from keras_eff.latency.remote import Remote

__all__ = [
    "Android",
    "BenchmarkModel",
    "Delegation",
    "Latency",
    "LiteRT",
    "OpTime",
    "Remote",
    "measure",
]
