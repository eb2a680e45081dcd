"""benchmark_model, the tool of TFLite and LiteRT: how it is called and read."""
