"""Checkpoints as transformers or llama.cpp have them, in float32. Needs gguf, or safetensors and tokenizers."""

import json
import sys
from pathlib import Path

import torch

import llama_files

ATTENTION, FEED_FORWARD = ("q", "k", "v", "o"), ("gate", "up", "down")


def matrix_name(layer: int, matrix: str) -> str:
    part = "self_attn" if matrix in ATTENTION else "mlp"
    return f"model.layers.{layer}.{part}.{matrix}_proj"


def read_checkpoint(path: Path, device: str) -> tuple[dict, dict[str, torch.Tensor], object]:
    """Configuration, tensors in float32 on a device by the names of transformers, and the tokenizer."""
    if path.is_dir():
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        settings = json.loads((path / "config.json").read_text(encoding="utf-8"))
        tensors = {}
        for file in sorted(path.glob("*.safetensors")):
            tensors.update(load_file(file))
        tensors = {name: tensor.float() for name, tensor in tensors.items()}
        encoder = Tokenizer.from_file(str(path / "tokenizer.json"))
    else:
        import gguf

        reader = gguf.GGUFReader(path)
        settings = llama_files.configuration(reader)
        tensors = {name: torch.from_numpy(value) for name, value in llama_files.weights(reader).items()}
        encoder = llama_files.tokenizer(reader)
    rope = settings.get("rope_parameters") or settings.get("rope_scaling") or {}
    if settings["model_type"] != "llama" or rope.get("rope_type", "default") != "default":
        sys.exit("distill: only models of the Llama family with an unscaled rotary embedding")
    if any(name.endswith(".bias") for name in tensors):
        sys.exit("distill: biases are not trained here")
    return settings, {name: tensor.to(device) for name, tensor in tensors.items()}, encoder
