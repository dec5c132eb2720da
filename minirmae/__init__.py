"""minirmae: autoencoders that minimise their own rank, with every gradient written by hand."""

__version__ = "0.2.0"
