"""What makes the load and counts the answers, in a process of its own under Locust."""
