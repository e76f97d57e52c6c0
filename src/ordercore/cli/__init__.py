"""The ``ordercore`` command."""
