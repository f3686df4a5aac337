"""What a person sees and types: magics, cards, forms (IPython, ipywidgets)."""
