"""From sequences and labels to batches; and sequences made up with a known truth.

Names load on first use, so that reading files costs no torch.
"""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

if TYPE_CHECKING:
    from hyena_glt.biology.sequences import clean_sequence as clean_sequence
    from hyena_glt.biology.sequences import clean_sequences as clean_sequences
    from hyena_glt.data.annotated_windows import AnnotatedWindows as AnnotatedWindows
    from hyena_glt.data.annotation import base_labels as base_labels
    from hyena_glt.data.augmentation import Compose as Compose
    from hyena_glt.data.augmentation import MaskN as MaskN
    from hyena_glt.data.augmentation import Mutate as Mutate
    from hyena_glt.data.augmentation import RandomShift as RandomShift
    from hyena_glt.data.augmentation import ReverseComplement as ReverseComplement
    from hyena_glt.data.collators import CausalLanguageModelCollator as CausalLanguageModelCollator
    from hyena_glt.data.collators import MaskedLanguageModelCollator as MaskedLanguageModelCollator
    from hyena_glt.data.collators import MultiModalCollator as MultiModalCollator
    from hyena_glt.data.collators import SequenceCollator as SequenceCollator
    from hyena_glt.data.datasets import GenomicDataset as GenomicDataset
    from hyena_glt.data.genome import Genome as Genome
    from hyena_glt.data.labelled_genome import LabelledWindows as LabelledWindows
    from hyena_glt.data.labelled_genome import label_genome as label_genome
    from hyena_glt.data.loaders import create_genomic_dataloaders as create_genomic_dataloaders
    from hyena_glt.data.multimodal import GeneSequences as GeneSequences
    from hyena_glt.data.multimodal import JointExamples as JointExamples
    from hyena_glt.data.multimodal import gene_sequences as gene_sequences
    from hyena_glt.data.quality import FilterSummary as FilterSummary
    from hyena_glt.data.quality import QualityFilter as QualityFilter
    from hyena_glt.data.quality import prepare_genomic_data as prepare_genomic_data
    from hyena_glt.data.regions import iter_interval_records as iter_interval_records
    from hyena_glt.data.regions import variant_windows as variant_windows
    from hyena_glt.data.samplers import LengthGroupedBatches as LengthGroupedBatches
    from hyena_glt.data.samplers import TokenBudgetBatches as TokenBudgetBatches
    from hyena_glt.data.splits import find_leakage as find_leakage
    from hyena_glt.data.splits import random_split as random_split
    from hyena_glt.data.splits import split_by_contig as split_by_contig
    from hyena_glt.data.splits import split_by_identity as split_by_identity
    from hyena_glt.data.statistics import compute_statistics as compute_statistics
    from hyena_glt.data.statistics import plot_statistics as plot_statistics
    from hyena_glt.data.statistics import statistics_table as statistics_table
    from hyena_glt.data.streaming import StreamingGenomicDataset as StreamingGenomicDataset
    from hyena_glt.data.streaming_loader import StreamingLoader as StreamingLoader
    from hyena_glt.data.streaming_loader import create_streaming_loader as create_streaming_loader
    from hyena_glt.data.windows import GenomeWindows as GenomeWindows
    from hyena_glt.io.indexed_fasta import IndexedFasta as IndexedFasta
    from hyena_glt.tokenizers import DNATokenizer as DNATokenizer
    from hyena_glt.tokenizers import GenomicTokenizer as GenomicTokenizer
    from hyena_glt.tokenizers import ProteinTokenizer as ProteinTokenizer
    from hyena_glt.tokenizers import RNATokenizer as RNATokenizer

_HOME = {
    "AnnotatedWindows": "hyena_glt.data.annotated_windows",
    "CausalLanguageModelCollator": "hyena_glt.data.collators",
    "Compose": "hyena_glt.data.augmentation",
    "DNATokenizer": "hyena_glt.tokenizers",
    "FilterSummary": "hyena_glt.data.quality",
    "GeneSequences": "hyena_glt.data.multimodal",
    "Genome": "hyena_glt.data.genome",
    "GenomeWindows": "hyena_glt.data.windows",
    "GenomicDataset": "hyena_glt.data.datasets",
    "GenomicTokenizer": "hyena_glt.tokenizers",
    "IndexedFasta": "hyena_glt.io.indexed_fasta",
    "JointExamples": "hyena_glt.data.multimodal",
    "LabelledWindows": "hyena_glt.data.labelled_genome",
    "LengthGroupedBatches": "hyena_glt.data.samplers",
    "MaskN": "hyena_glt.data.augmentation",
    "MaskedLanguageModelCollator": "hyena_glt.data.collators",
    "MultiModalCollator": "hyena_glt.data.collators",
    "Mutate": "hyena_glt.data.augmentation",
    "ProteinTokenizer": "hyena_glt.tokenizers",
    "QualityFilter": "hyena_glt.data.quality",
    "RNATokenizer": "hyena_glt.tokenizers",
    "RandomShift": "hyena_glt.data.augmentation",
    "ReverseComplement": "hyena_glt.data.augmentation",
    "SequenceCollator": "hyena_glt.data.collators",
    "StreamingGenomicDataset": "hyena_glt.data.streaming",
    "StreamingLoader": "hyena_glt.data.streaming_loader",
    "TokenBudgetBatches": "hyena_glt.data.samplers",
    "base_labels": "hyena_glt.data.annotation",
    "clean_sequence": "hyena_glt.biology.sequences",
    "clean_sequences": "hyena_glt.biology.sequences",
    "compute_statistics": "hyena_glt.data.statistics",
    "create_genomic_dataloaders": "hyena_glt.data.loaders",
    "create_streaming_loader": "hyena_glt.data.streaming_loader",
    "find_leakage": "hyena_glt.data.splits",
    "gene_sequences": "hyena_glt.data.multimodal",
    "iter_interval_records": "hyena_glt.data.regions",
    "label_genome": "hyena_glt.data.labelled_genome",
    "plot_statistics": "hyena_glt.data.statistics",
    "prepare_genomic_data": "hyena_glt.data.quality",
    "random_split": "hyena_glt.data.splits",
    "split_by_contig": "hyena_glt.data.splits",
    "split_by_identity": "hyena_glt.data.splits",
    "statistics_table": "hyena_glt.data.statistics",
    "variant_windows": "hyena_glt.data.regions",
}
__all__ = [
    "AnnotatedWindows",
    "CausalLanguageModelCollator",
    "Compose",
    "DNATokenizer",
    "FilterSummary",
    "GeneSequences",
    "Genome",
    "GenomeWindows",
    "GenomicDataset",
    "GenomicTokenizer",
    "IndexedFasta",
    "JointExamples",
    "LabelledWindows",
    "LengthGroupedBatches",
    "MaskN",
    "MaskedLanguageModelCollator",
    "MultiModalCollator",
    "Mutate",
    "ProteinTokenizer",
    "QualityFilter",
    "RNATokenizer",
    "RandomShift",
    "ReverseComplement",
    "SequenceCollator",
    "StreamingGenomicDataset",
    "StreamingLoader",
    "TokenBudgetBatches",
    "base_labels",
    "clean_sequence",
    "clean_sequences",
    "compute_statistics",
    "create_genomic_dataloaders",
    "create_streaming_loader",
    "find_leakage",
    "gene_sequences",
    "iter_interval_records",
    "label_genome",
    "plot_statistics",
    "prepare_genomic_data",
    "random_split",
    "split_by_contig",
    "split_by_identity",
    "statistics_table",
    "variant_windows",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
