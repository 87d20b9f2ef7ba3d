"""Tokenizers: from letters to the ids that a model reads, and back.

Importing this package makes Hugging Face's ``AutoTokenizer`` know them.
"""

from hyena_glt.tokenizers.base import KmerTokenizer
from hyena_glt.tokenizers.dna import DNATokenizer
from hyena_glt.tokenizers.genomic import GenomicTokenizer
from hyena_glt.tokenizers.protein import ProteinTokenizer
from hyena_glt.tokenizers.rna import RNATokenizer

__all__ = ["DNATokenizer", "GenomicTokenizer", "KmerTokenizer", "ProteinTokenizer", "RNATokenizer"]


def register_auto_tokenizer() -> None:
    """Let ``AutoTokenizer.from_pretrained`` find the tokenizers by the name they were saved under.

    A folder that holds a model and no tokenizer gets the ``DNATokenizer``, the last one registered.
    """
    from transformers import AutoTokenizer

    from hyena_glt.config import HyenaGLTConfig

    for tokenizer_class in (GenomicTokenizer, ProteinTokenizer, RNATokenizer, DNATokenizer):
        AutoTokenizer.register(HyenaGLTConfig, tokenizer_class=tokenizer_class, exist_ok=True)


register_auto_tokenizer()
