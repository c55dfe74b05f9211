"""A service of the reader's own: behind a URL, in their repository, or on its way into this one."""
