"""The command line, ``hyena-glt``."""
