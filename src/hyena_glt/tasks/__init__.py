"""Task heads and their losses."""

from hyena_glt.tasks.heads import SequenceClassificationHead, TokenClassificationHead
from hyena_glt.tasks.readout import KmerReadout

__all__ = ["KmerReadout", "SequenceClassificationHead", "TokenClassificationHead"]
