"""What `make bench` does: which points there are, how one is measured and judged."""
