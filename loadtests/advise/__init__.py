"""What should I use? Arithmetic on the newest results: `make advise`, and the form in a report.

The form does the same arithmetic in a browser (report/templates/advise.js): whoever
changes answer.py or question.py changes that too, and a test compares the two.
"""
