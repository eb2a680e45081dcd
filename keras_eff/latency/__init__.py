"""Measures how fast an exported file runs on a device."""

from keras_eff.latency.latency import Latency
from keras_eff.latency.litert import LiteRT
from keras_eff.latency.measure import measure

__all__ = ["Latency", "LiteRT", "measure"]
