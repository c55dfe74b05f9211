"""`make bench`: which points there are, how one is measured and judged."""
