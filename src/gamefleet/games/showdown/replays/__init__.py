"""From the text of a finished battle to a trace that both points of view are read from.

Job: hold the parser and the trace's format. Place in the data flow: between the logs (generated or downloaded) and the
packed files. Left out: reading and writing files.
"""
