"""Text and HTML from the templates."""
