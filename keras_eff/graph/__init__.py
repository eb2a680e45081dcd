"""The engine: a model walked, copied, rebuilt; what is known of its layers."""
