"""Plans for what a model may cost, its latency on a device too."""

from keras_eff.planning.plan_channels import plan_channels
from keras_eff.planning.remove_channels import remove_channels

__all__ = ["plan_channels", "remove_channels"]
