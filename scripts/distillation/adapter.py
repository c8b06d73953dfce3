"""Adapters (formats/adapter.md), written; and the start of one where attention is shared. Needs safetensors."""

import argparse
import json
import subprocess
from pathlib import Path

import torch

import plan_reader

from .checkpoint import matrix_name
from .llama import Student


def start(options: argparse.Namespace) -> tuple[dict[int, dict], dict[str, torch.Tensor]]:
    """Receivers and their output projections, from a compile."""
    if options.share_attention is None:
        return {}, {}
    plan, report = options.adapter.with_suffix(".start.plan"), options.adapter.with_suffix(".start.json")
    calibration = ["--calibration", options.calibration] if options.calibration else []
    subprocess.run(
        [options.lathe, "compile", options.checkpoint, "-o", plan, "--weights", "f32", "--share-attention",
         options.share_attention, "--report", report, "--quiet", *calibration], check=True, stdout=subprocess.DEVNULL)
    facts = json.loads(report.read_text())
    receivers = {each["layer"]: each for each in facts["sharing"]["receivers"]}
    data = plan.read_bytes()
    header, sections = plan_reader.read_plan(data, False)
    weights = next(kind for kind, name in plan_reader.KINDS.items() if name == "weights")
    packed = memoryview(data)[sections[weights]["offset"]:]
    outputs = {}
    for tensor in header["tensors"]:
        layer = next((each for each in receivers if tensor["name"] == f"layers.{each}.attention.output"), None)
        if layer is None:
            continue
        rows = [plan_reader.logical_row(packed, tensor, row) for row in range(tensor["rows"])]
        outputs[matrix_name(layer, "o")] = torch.tensor(rows)
    for path in (plan, report):
        path.unlink()
    return receivers, outputs


def save(path: Path, student: Student, origin: str) -> None:
    from safetensors.torch import save_file

    tensors = {f"{name}.weight": value for name, value in student.outputs.items()}
    for name, change in student.changes.items():
        tensors |= {f"{name}.lora_A.weight": change.a, f"{name}.lora_B.weight": change.b}
    shared = [{key: student.receivers[layer][key] for key in ("layer", "donor", "head_map")}
              for layer in sorted(student.receivers)]
    metadata: dict[str, list] = {"shared_attention": shared}
    for layer, mixer in sorted(student.mixers.items()):
        metadata.setdefault(mixer.form, []).append(mixer.record(layer))
        tensors |= mixer.tensors(f"model.layers.{layer}.self_attn.")
    save_file({name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}, path,
              {key: json.dumps(value, separators=(",", ":")) for key, value in metadata.items() if value}
              | {"origin": origin})
