"""Measured numbers in README and docs."""
