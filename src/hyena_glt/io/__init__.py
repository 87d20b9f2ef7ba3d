"""Files of sequences, labels and motifs, read into typed records and written whole or not at all.

Every fault in a file is a :class:`~hyena_glt.errors.DataError` that names the file and, where there
is one, the line.  Nothing here needs PyTorch.
"""
