"""Losses between teacher and student."""
