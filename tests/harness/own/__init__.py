"""Applications that know nothing of this project, as its readers have them."""
