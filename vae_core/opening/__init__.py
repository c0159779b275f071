"""Opening: files of a model that was trained elsewhere, checked and written as a run.

`door.open_model` does all of it. This file imports nothing, because `trial`, a child process, starts here too.
"""
