"""Files of sequences, labels and motifs, read into typed records and written whole or not at all.

Every fault in a file is a :class:`~hyena_glt.errors.DataError` that names the file and, where there
is one, the line.  Nothing here needs PyTorch, and names load on first use.
"""

from typing import TYPE_CHECKING

from hyena_glt.lazy import lazy_names

if TYPE_CHECKING:
    from hyena_glt.io.fasta import iter_fasta as iter_fasta
    from hyena_glt.io.fasta import write_fasta as write_fasta
    from hyena_glt.io.fastq import iter_fastq as iter_fastq
    from hyena_glt.io.fastq import write_fastq as write_fastq
    from hyena_glt.io.formats import detect_format as detect_format
    from hyena_glt.io.formats import iter_labelled as iter_labelled
    from hyena_glt.io.formats import iter_sequences as iter_sequences
    from hyena_glt.io.formats import read_labelled as read_labelled
    from hyena_glt.io.formats import read_sequences as read_sequences
    from hyena_glt.io.formats import write_labelled as write_labelled
    from hyena_glt.io.formats import write_sequences as write_sequences
    from hyena_glt.io.genbank import GenBankRecord as GenBankRecord
    from hyena_glt.io.genbank import iter_genbank as iter_genbank
    from hyena_glt.io.records import LabelledRecord as LabelledRecord
    from hyena_glt.io.records import SequenceRecord as SequenceRecord

_HOME = {
    "GenBankRecord": "hyena_glt.io.genbank",
    "LabelledRecord": "hyena_glt.io.records",
    "SequenceRecord": "hyena_glt.io.records",
    "detect_format": "hyena_glt.io.formats",
    "iter_fasta": "hyena_glt.io.fasta",
    "iter_fastq": "hyena_glt.io.fastq",
    "iter_genbank": "hyena_glt.io.genbank",
    "iter_labelled": "hyena_glt.io.formats",
    "iter_sequences": "hyena_glt.io.formats",
    "read_labelled": "hyena_glt.io.formats",
    "read_sequences": "hyena_glt.io.formats",
    "write_fasta": "hyena_glt.io.fasta",
    "write_fastq": "hyena_glt.io.fastq",
    "write_labelled": "hyena_glt.io.formats",
    "write_sequences": "hyena_glt.io.formats",
}
__all__ = [
    "GenBankRecord",
    "LabelledRecord",
    "SequenceRecord",
    "detect_format",
    "iter_fasta",
    "iter_fastq",
    "iter_genbank",
    "iter_labelled",
    "iter_sequences",
    "read_labelled",
    "read_sequences",
    "write_fasta",
    "write_fastq",
    "write_labelled",
    "write_sequences",
]

__getattr__, __dir__ = lazy_names(__name__, _HOME)
