"""`make compare A=<run> B=<run>`: what is better or worse in B, and what is noise."""
