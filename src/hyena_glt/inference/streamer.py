"""Letters of a sequence handed on while it is being generated."""

from collections.abc import Callable

from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from hyena_glt.errors import ConfigError
from hyena_glt.tokenizers.base import KmerTokenizer


class SequenceStreamer(BaseStreamer):
    """Hand every new letter on at once, for ``generate(streamer=...)``.

    Hugging Face's own ``TextStreamer`` waits for the end of a word, and a genome has none.

    Args:
        tokenizer: Tokenizer of the model.
        emit: Called with the letters of the prompt, and then with those of each new token.

    Example:
        >>> streamer = SequenceStreamer(tokenizer, sys.stdout.write)  # doctest: +SKIP
        >>> model.generate(ids, streamer=streamer, max_new_tokens=100)  # doctest: +SKIP
    """

    def __init__(self, tokenizer: KmerTokenizer, emit: Callable[[str], object]) -> None:
        self.tokenizer = tokenizer
        self.emit = emit

    def put(self, value: Tensor) -> None:
        """Take tokens from ``generate``.

        Args:
            value: (1, l) the prompt, and then (1,) each new token.

        Raises:
            ConfigError: If several sequences are generated at once, whose letters would mix.
        """
        if len(value) > 1:
            raise ConfigError(f"a streamer shows one sequence at a time, got {len(value)}")
        text = self.tokenizer.decode(value.flatten())
        assert isinstance(text, str)
        self.emit(text)

    def end(self) -> None:
        """Nothing is held back, so nothing is left to do."""
