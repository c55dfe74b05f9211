"""Advice from the newest results, by arithmetic: `make advise`, and the form in a report.

The form does the same in a browser (report/pages/templates/advise/): whoever changes question.py,
need.py, verdict.py, change.py or answer.py changes that too, and a test compares the two.
"""
