"""Making the load and counting the answers, in a process of its own under Locust."""
