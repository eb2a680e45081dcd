from keras_eff.channels.groups import ChannelGroup
from keras_eff.channels.plan import ChannelPlan
from keras_eff.channels.remove_channels import plan_channels
from keras_eff.channels.remove_channels import remove_channels
from keras_eff.channels.sensitivity import sensitivity
from keras_eff.channels.sensitivity_report import ChannelSensitivity
from keras_eff.channels.sensitivity_report import Removal

__all__ = [
    "ChannelGroup",
    "ChannelPlan",
    "ChannelSensitivity",
    "Removal",
    "plan_channels",
    "remove_channels",
    "sensitivity",
]
