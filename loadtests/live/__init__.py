"""`make ui`: Locust's web UI opened ready to go, and beside it a page that shows services live.

The page shows and does not measure: generator, services and browser share this machine's cores.
"""
