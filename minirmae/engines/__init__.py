"""Engines: the same mathematics as the reference, computed faster. The library works without this folder."""
