"""The user interface in notebooks: magics, cards, forms (IPython, ipywidgets)."""
