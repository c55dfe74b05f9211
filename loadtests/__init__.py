"""The harness: it starts the services, loads them, measures and reports."""
