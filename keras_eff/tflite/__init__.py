"""The file: read, rewritten, and run."""
