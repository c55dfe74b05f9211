"""The tables of a report: what they are made of, and those that every part has."""
