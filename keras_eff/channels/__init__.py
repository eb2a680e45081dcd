from keras_eff.channels.channel_sensitivity import channel_sensitivity
from keras_eff.channels.channel_sensitivity import sensitivity
from keras_eff.channels.groups import ChannelGroup
from keras_eff.channels.plan import ChannelPlan
from keras_eff.channels.sensitivity_report import ChannelSensitivity
from keras_eff.channels.sensitivity_report import Removal

__all__ = [
    "ChannelGroup",
    "ChannelPlan",
    "ChannelSensitivity",
    "Removal",
    "channel_sensitivity",
    "sensitivity",
]
