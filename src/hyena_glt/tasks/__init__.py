"""Task heads and their losses."""

from hyena_glt.tasks.heads import SequenceClassificationHead, TokenClassificationHead

__all__ = ["SequenceClassificationHead", "TokenClassificationHead"]
