"""The command line: one program, `waits`, a module for each of its verbs.

A verb takes its words apart and calls the package that does the work; it returns an exit status
(loadtests/errors.py). What is heavy is imported in the verb, so that the others start at once.
"""
