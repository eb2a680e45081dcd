from tests.support.converted_files import *  # noqa: F403
