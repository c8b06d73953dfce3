"""OpenVINO GenAI. It reads the GGUF file itself; other formats are its graph of that file, compressed by NNCF."""

import time
from pathlib import Path

from .files import place, written
from .llamacpp import requantize
from .measure import Peer, Unsupported


class OpenVINO(Peer):
    name = "OpenVINO GenAI"
    packages = ["openvino-genai==2026.4.1.0", "openvino==2026.4.1", "nncf==3.4.0", "numpy"]
    # Its quantizer writes the file in float16 that NNCF starts from.
    borrowed = ["llama.cpp"]
    formats = ["as it is", "int8", "int4"]
    variants = ["paged attention", "stateful"]

    @staticmethod
    def imports() -> None:
        import numpy
        import openvino
        import openvino_genai

        del numpy, openvino, openvino_genai

    @staticmethod
    def prepare(gguf: Path, form: str, cache: Path) -> Path:
        if form == "as it is":
            return gguf
        import nncf
        import openvino

        settings = {
            "int8": {"mode": nncf.CompressWeightsMode.INT8_ASYM},
            "int4": {"mode": nncf.CompressWeightsMode.INT4_ASYM, "group_size": 64, "ratio": 1.0},
        }[form]
        graph = OpenVINO.graph(gguf, cache)
        path = place(cache, gguf, f"openvino-{form}")
        with written(path, gguf) as target:
            if target:
                target.mkdir()
                model = nncf.compress_weights(openvino.Core().read_model(graph / "openvino_model.xml"), **settings)
                openvino.save_model(model, target / "openvino_model.xml")
                for file in graph.glob("openvino_*tokenizer.*"):
                    (target / file.name).write_bytes(file.read_bytes())
        return path

    @staticmethod
    def graph(gguf: Path, cache: Path) -> Path:
        """A folder with the graph that OpenVINO GenAI makes of the model in float16."""
        import openvino_genai

        path = place(cache, gguf, "openvino-f16")
        with written(path, gguf) as target:
            if target:
                # It saves beside the file that it reads.
                target.mkdir()
                source = target / "model.gguf"
                source.symlink_to(requantize(gguf, "F16", cache).resolve())
                openvino_genai.LLMPipeline(str(source), "CPU", enable_save_ov_model=True)
                source.unlink()
        return path

    def __init__(self, path: Path, variant: str, threads: int, context: int) -> None:
        import numpy
        import openvino
        import openvino_genai

        self.numpy, self.openvino, self.library = numpy, openvino, openvino_genai
        self.paged = variant == "paged attention"
        self.pipeline = openvino_genai.LLMPipeline(
            str(path), "CPU", ATTENTION_BACKEND="PA" if self.paged else "SDPA", INFERENCE_NUM_THREADS=threads)
        self.random = numpy.random.default_rng(1)
        self.vocabulary = len(self.pipeline.get_tokenizer().get_vocab())
        self.prefixes: dict[int, list[int]] = {}

    def ids(self, count: int) -> list[int]:
        return self.random.integers(0, self.vocabulary, count).tolist()

    def prefix(self, depth: int) -> list[int]:
        """The same `depth` tokens each time: the pipeline keeps what it evaluated of them."""
        if depth not in self.prefixes:
            self.prefixes[depth] = self.ids(depth)
            if depth > 0:
                self.stamps(self.prefixes[depth], 1)
        return self.prefixes[depth]

    def stamps(self, ids: list[int], count: int) -> list[float]:
        """Seconds from the start at which each of `count` tokens behind a prompt was there."""
        row = self.numpy.array([ids], dtype=self.numpy.int64)
        inputs = self.library.TokenizedInputs(
            self.openvino.Tensor(row), self.openvino.Tensor(self.numpy.ones_like(row)))
        configuration = self.library.GenerationConfig(
            max_new_tokens=count, min_new_tokens=count, ignore_eos=True, do_sample=False)
        times: list[float] = []

        class Streamer(self.library.StreamerBase):
            def write(self, tokens):
                times.extend([time.perf_counter() - start] * (len(tokens) if isinstance(tokens, list) else 1))
                return outer.library.StreamingStatus.RUNNING

            def end(self):
                pass

        outer = self
        start = time.perf_counter()
        self.pipeline.generate(inputs, configuration, Streamer())
        if len(times) != count:
            raise RuntimeError(f"{len(times)} tokens came, not {count}")
        return times

    def first_token(self, text: str) -> int:
        inputs = self.pipeline.get_tokenizer().encode(text, add_special_tokens=False)
        configuration = self.library.GenerationConfig(max_new_tokens=1, do_sample=False)
        return self.pipeline.generate(inputs, configuration).tokens[0][0]

    def prefill(self, count: int, depth: int) -> float:
        if depth > 0 and not self.paged:
            raise Unsupported("the stateful pipeline evaluates a whole prompt each time")
        return self.stamps(self.prefix(depth) + self.ids(count), 1)[0]

    def generate(self, count: int, depth: int) -> float:
        # The first token belongs to the prompt; each further one is a step.
        times = self.stamps(self.prefix(depth) or self.ids(1), count + 1)
        return times[-1] - times[0]
