"""CTranslate2. Its converters start from a model of transformers in PyTorch; a GGUF file of the Llama family gives the
same specification without either."""

import json
import time
from pathlib import Path

from .files import place, written
from .measure import Peer


class CTranslate2(Peer):
    name = "CTranslate2"
    packages = ["ctranslate2==4.8.5", "gguf", "numpy"]
    formats = ["int8"]

    @staticmethod
    def imports() -> None:
        import ctranslate2
        import numpy

        del ctranslate2, numpy

    @staticmethod
    def prepare(gguf: Path, form: str, cache: Path) -> Path:
        path = place(cache, gguf, f"ctranslate2-{form}")
        with written(path, gguf) as target:
            if target:
                specification = _specification(gguf)
                specification.validate()
                specification.optimize(quantization=form)
                target.mkdir()
                specification.save(str(target))
        return path

    def __init__(self, path: Path, variant: str, threads: int, context: int) -> None:
        import ctranslate2
        import numpy

        self.generator = ctranslate2.Generator(str(path), compute_type="int8", intra_threads=threads)
        self.random = numpy.random.default_rng(1)
        self.tokens = json.loads((path / "vocabulary.json").read_text(encoding="utf-8"))
        self.prefixes: dict[int, list[str]] = {}

    def pieces(self, count: int) -> list[str]:
        return [self.tokens[index] for index in self.random.integers(0, len(self.tokens), count)]

    def stamps(self, prompt: list[str], count: int, prefix: list[str] | None = None) -> list[tuple[float, int]]:
        """Seconds from the start at which each of `count` tokens behind a prompt was there, and its id. A prefix's
        state is kept from call to call."""
        steps: list[tuple[float, int]] = []

        def note(step) -> bool:
            steps.append((time.perf_counter() - start, step.token_id))
            return False

        start = time.perf_counter()
        self.generator.generate_batch(
            [prompt], max_length=count, min_length=count, include_prompt_in_result=False, static_prompt=prefix,
            end_token=[], callback=note)
        if len(steps) != count:
            raise RuntimeError(f"{len(steps)} tokens came, not {count}")
        return steps

    def prefix(self, depth: int) -> list[str] | None:
        if depth == 0:
            return None
        if depth not in self.prefixes:
            self.prefixes[depth] = self.pieces(depth)
            self.stamps(self.pieces(1), 1, self.prefixes[depth])
        return self.prefixes[depth]

    def first_token(self, text: str) -> int:
        # It has no tokenizer: words of the prompt are single tokens of a byte-level vocabulary.
        words = text.split(" ")
        return self.stamps([words[0]] + ["Ġ" + word for word in words[1:]], 1)[0][1]

    def prefill(self, count: int, depth: int) -> float:
        # Behind a prefix the time holds the copy of its state, which the package makes in each call.
        return self.stamps(self.pieces(count), 1, self.prefix(depth))[0][0]

    def generate(self, count: int, depth: int) -> float:
        # The first token belongs to the prompt; each further one is a step.
        steps = self.stamps(self.pieces(1), count + 1, self.prefix(depth))
        return steps[-1][0] - steps[0][0]


def _specification(gguf: Path):
    """The model as CTranslate2's own converter of Llama describes it."""
    import gguf as package
    import numpy
    from ctranslate2.converters import utils
    from ctranslate2.specs import common_spec, transformer_spec

    reader = package.GGUFReader(gguf)
    tensors = {tensor.name: tensor for tensor in reader.tensors}

    def value(key: str):
        return reader.fields[key].contents()

    def values(name: str):
        tensor = tensors[name]
        return package.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)

    def unpaired(weight, heads: int):
        """GGUF has the two halves of a rotated pair side by side, transformers apart."""
        return weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)

    if value("general.architecture") != "llama":
        raise ValueError(f"the architecture {value('general.architecture')} is not converted")
    layers, heads = value("llama.block_count"), value("llama.attention.head_count")
    key_heads = value("llama.attention.head_count_kv")
    specification = transformer_spec.TransformerDecoderModelSpec.from_config(
        layers, heads, activation=common_spec.Activation.SWISH, pre_norm=True, ffn_glu=True, rms_norm=True,
        rotary_dim=0, rotary_interleave=False, rotary_base=value("llama.rope.freq_base"),
        num_heads_kv=key_heads if key_heads != heads else None)
    decoder = specification.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = values("token_embd.weight")
    decoder.projection.weight = values("output.weight") if "output.weight" in tensors else decoder.embeddings.weight
    decoder.layer_norm.gamma = values("output_norm.weight")
    for index, layer in enumerate(decoder.layer):
        block = f"blk.{index}."
        layer.self_attention.layer_norm.gamma = values(f"{block}attn_norm.weight")
        layer.ffn.layer_norm.gamma = values(f"{block}ffn_norm.weight")
        split = [common_spec.LinearSpec() for _ in range(3)]
        split[0].weight = unpaired(values(f"{block}attn_q.weight"), heads)
        split[1].weight = unpaired(values(f"{block}attn_k.weight"), key_heads)
        split[2].weight = values(f"{block}attn_v.weight")
        utils.fuse_linear(layer.self_attention.linear[0], split)
        layer.self_attention.linear[1].weight = values(f"{block}attn_output.weight")
        layer.ffn.linear_0.weight = values(f"{block}ffn_gate.weight")
        layer.ffn.linear_0_noact.weight = values(f"{block}ffn_up.weight")
        layer.ffn.linear_1.weight = values(f"{block}ffn_down.weight")
    tokens = value("tokenizer.ggml.tokens")
    specification.register_vocabulary(tokens)
    specification.config.bos_token = tokens[value("tokenizer.ggml.bos_token_id")]
    specification.config.eos_token = tokens[value("tokenizer.ggml.eos_token_id")]
    # The model is asked in known tokens alone; one for unknown ones must have a name.
    unknown = "tokenizer.ggml.unknown_token_id"
    specification.config.unk_token = tokens[value(unknown) if unknown in reader.fields else 0]
    specification.config.layer_norm_epsilon = value("llama.attention.layer_norm_rms_epsilon")
    return specification
