"""Makes Keras 3 models small and fast, and proves it on the exported file."""

import lazy_loader

from keras_eff import registration

# What measures and reads files starts without Keras and TensorFlow: names are
# imported when they are first used. They are listed in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"

registration.register_with_keras()
