"""llama.cpp's logits over the chunks of a text, through llama-cpp-python. Needs: llama-cpp-python, numpy."""

from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import numpy


class Model:
    """A GGUF file in llama.cpp, which runs chunks of `context` tokens from an empty cache."""

    def __init__(self, gguf: Path, context: int, threads: int) -> None:
        self.context = context
        self.llama = llama_cpp.Llama(
            str(gguf), n_ctx=context, n_batch=context, n_ubatch=min(context, 512), n_threads=threads,
            n_threads_batch=threads, logits_all=True, verbose=False)
        self.adds_bos = bool(llama_cpp.llama_vocab_get_add_bos(self.llama._model.vocab))

    def tokenize(self, text: bytes) -> list[int]:
        """Special tokens in it as plain text, the beginning token in front where the model's `add_bos_token` says so,
        less one newline at the end."""
        return self.llama.tokenize(text.removesuffix(b"\n"), add_bos=self.adds_bos, special=False)

    def logits(self, chunk: list[int]) -> numpy.ndarray:
        """Those of the positions that are scored: from the middle on, but the last. They are the model's own array
        until it runs again."""
        ids = [self.llama.token_bos(), *chunk[1:]] if self.adds_bos else chunk
        self.llama.reset()
        self.llama.eval(ids)
        return self.llama.scores[self.context // 2:self.context - 1]


def chunks(tokens: list[int], context: int, most: int | None) -> Iterator[tuple[list[int], list[int]]]:
    """The chunks of a text, which do not overlap and leave a rest out, and the tokens that the scored positions of each
    predict."""
    count = len(tokens) // context
    for index in range(count if most is None else min(count, most)):
        chunk = tokens[index * context:(index + 1) * context]
        yield chunk, chunk[context // 2 + 1:]
