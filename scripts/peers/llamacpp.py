"""llama.cpp, through llama-cpp-python's binding of its C functions, called as llama-bench calls them."""

import time
from pathlib import Path

from .files import place, written
from .measure import DECODE, PREFILL, Peer

# llama.cpp's numbers of file types.
FILE_TYPES = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 7, "Q2_K": 10, "Q3_K_M": 12, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18,
}


def requantize(gguf: Path, form: str, cache: Path) -> Path:
    """The model in another of llama.cpp's types, by its own quantizer."""
    import llama_cpp

    path = place(cache, gguf, f"{form}.gguf")
    with written(path, gguf) as target:
        if target:
            parameters = llama_cpp.llama_model_quantize_default_params()
            parameters.allow_requantize = True
            parameters.ftype = FILE_TYPES[form]
            status = llama_cpp.llama_model_quantize(str(gguf).encode(), str(target).encode(), parameters)
            if status != 0:
                raise RuntimeError(f"llama_model_quantize: {status}")
    return path


class LlamaCpp(Peer):
    name = "llama.cpp"
    packages = ["llama-cpp-python==0.3.36", "numpy", "gguf"]
    # Compiled here for this processor; a wheel of pip's cache may be for another one.
    arguments = ["--no-binary=llama-cpp-python", "--no-cache-dir"]
    variables = {"CMAKE_ARGS": "-DGGML_NATIVE=ON"}
    formats = ["as it is", "Q4_0"]
    variants = ["", "flash attention"]

    @staticmethod
    def imports() -> None:
        import llama_cpp
        import numpy

        del llama_cpp, numpy

    @staticmethod
    def prepare(gguf: Path, form: str, cache: Path) -> Path:
        return gguf if form == "as it is" else requantize(gguf, form, cache)

    def __init__(self, path: Path, variant: str, threads: int, context: int) -> None:
        import llama_cpp
        import numpy

        self.library = llama_cpp
        self.llama = llama_cpp.Llama(
            str(path), n_ctx=context, n_batch=PREFILL, n_ubatch=PREFILL, n_threads=threads, n_threads_batch=threads,
            flash_attn=variant == "flash attention", verbose=False)
        self.random = numpy.random.default_rng(1)
        # A second context of the same weights for each depth: the tokens that lie before are evaluated once.
        self.contexts = {0: self.llama.ctx}

    def decode(self, context, ids: list[int]) -> None:
        array = (self.library.llama_token * len(ids))(*ids)
        status = self.library.llama_decode(context, self.library.llama_batch_get_one(array, len(ids)))
        if status != 0:
            raise RuntimeError(f"llama_decode: {status}")
        self.library.llama_synchronize(context)

    def at(self, depth: int):
        """A context that holds `depth` tokens and no more."""
        if depth not in self.contexts:
            parameters = self.llama.context_params
            parameters.n_ctx = depth + max(PREFILL, DECODE)
            context = self.library.llama_init_from_model(self.llama.model, parameters)
            if not context:
                raise RuntimeError(f"no context of {parameters.n_ctx} tokens")
            for start in range(0, depth, PREFILL):
                self.decode(context, self.ids(min(PREFILL, depth - start)))
            self.contexts[depth] = context
        context = self.contexts[depth]
        self.library.llama_memory_seq_rm(self.library.llama_get_memory(context), 0, depth, -1)
        return context

    def ids(self, count: int) -> list[int]:
        return self.random.integers(0, self.llama.n_vocab(), count).tolist()

    def first_token(self, text: str) -> int:
        return next(self.llama.generate(self.llama.tokenize(text.encode(), add_bos=False), temp=0))

    def prefill(self, count: int, depth: int) -> float:
        context, ids = self.at(depth), self.ids(count)
        start = time.perf_counter()
        self.decode(context, ids)
        return time.perf_counter() - start

    def generate(self, count: int, depth: int) -> float:
        context, ids = self.at(depth), self.ids(count)
        start = time.perf_counter()
        for token in ids:
            self.decode(context, [token])
        return time.perf_counter() - start
