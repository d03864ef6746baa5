"""Speed, memory and accuracy measured against other packages. Not part of the tests; `run.py` is the command."""
