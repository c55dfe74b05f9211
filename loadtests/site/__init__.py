"""`make site`: pages over all results, static, that need no server and no network."""
