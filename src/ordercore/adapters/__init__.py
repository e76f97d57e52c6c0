"""Adapters: the ports of the library made of real things, one technology each.

Importing this package loads none of them; an adapter that needs an extra says so in its docstring.
"""
