from tests.support.training import *  # noqa: F403
