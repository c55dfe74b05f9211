"""A client that makes as many requests as it can, built up rung by rung.

Each `rungN_….py` is a program of its own, to be read in this order; each mends
what the one before it could not do. `waits ladder` runs them all
against the slow backend and leaves a report.
"""
