"""Turn requests into HTTP calls and HTTP replies into values: pure functions, no I/O.

May import `values`, `errors` and the standard library only. Ask `writer` and `reader`.
"""
