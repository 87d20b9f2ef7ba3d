"""From sequences and labels to batches; and sequences made up with a known truth.

Names load on first use, so that reading files costs no torch.
"""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

if TYPE_CHECKING:
    from hyena_glt.data.collators import SequenceCollator as SequenceCollator
    from hyena_glt.data.datasets import GenomicDataset as GenomicDataset
    from hyena_glt.data.genome import Genome as Genome
    from hyena_glt.data.loaders import create_genomic_dataloaders as create_genomic_dataloaders
    from hyena_glt.data.windows import GenomeWindows as GenomeWindows
    from hyena_glt.tokenizers import DNATokenizer as DNATokenizer
    from hyena_glt.tokenizers import ProteinTokenizer as ProteinTokenizer
    from hyena_glt.tokenizers import RNATokenizer as RNATokenizer

_HOME = {
    "DNATokenizer": "hyena_glt.tokenizers",
    "Genome": "hyena_glt.data.genome",
    "GenomeWindows": "hyena_glt.data.windows",
    "GenomicDataset": "hyena_glt.data.datasets",
    "ProteinTokenizer": "hyena_glt.tokenizers",
    "RNATokenizer": "hyena_glt.tokenizers",
    "SequenceCollator": "hyena_glt.data.collators",
    "create_genomic_dataloaders": "hyena_glt.data.loaders",
}
__all__ = [
    "DNATokenizer",
    "Genome",
    "GenomeWindows",
    "GenomicDataset",
    "ProteinTokenizer",
    "RNATokenizer",
    "SequenceCollator",
    "create_genomic_dataloaders",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
