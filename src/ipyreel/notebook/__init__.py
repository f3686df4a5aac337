"""What a person sees and types: magics, cards, forms (IPython, ipywidgets).

May import everything below it but `client` and `wire`: those are reached through `session`.
"""
