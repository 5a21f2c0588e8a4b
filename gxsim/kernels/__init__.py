"""Arithmetic: numpy in, numpy out. Imports nothing but numpy."""
