"""Files for the Edge TPU, whose compiler is a tool of its own."""
