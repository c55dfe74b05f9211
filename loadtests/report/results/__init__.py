"""Runs in numbers and words: the stored ones, their parts, and who is before whom."""
