"""Pure functions on tensors: convolutions, patch boundaries, segment sums, scans.

Every fast function has a slow twin of the same name in :mod:`hyena_glt.ops.reference`.
"""
