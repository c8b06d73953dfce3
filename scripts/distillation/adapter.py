"""Adapters (formats/adapter.md), written. Needs safetensors."""

import json
from pathlib import Path

from .llama import Student


def save(path: Path, student: Student, origin: str) -> None:
    from safetensors.torch import save_file

    tensors = {f"{name}.weight": value for name, value in student.outputs.items()}
    for name, change in student.changes.items():
        if name in student.fitted:
            tensors[f"{name}.weight"] = student.fitted[name] + change.b @ change.a
        else:
            tensors |= {f"{name}.lora_A.weight": change.a, f"{name}.lora_B.weight": change.b}
    tensors |= {f"{name}.weight": value for name, value in student.fitted.items() if name not in student.changes}
    shared = [{key: student.receivers[layer][key] for key in ("layer", "donor", "head_map")}
              for layer in sorted(student.receivers)]
    metadata: dict[str, list] = {"shared_attention": shared}
    for layer, mixer in sorted(student.mixers.items()):
        metadata.setdefault(mixer.form, []).append(mixer.record(layer))
        tensors |= mixer.tensors(f"model.layers.{layer}.self_attn.")
    save_file({name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}, path,
              {key: json.dumps(value, separators=(",", ":")) for key, value in metadata.items() if value}
              | {"origin": origin})
