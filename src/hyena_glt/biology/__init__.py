"""Letters, strands, codons and motifs: what holds for sequence without any model.

Nothing here needs PyTorch.
"""
