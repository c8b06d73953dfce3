"""What a student starts from: a plan that `lathe compile --weights f32` made of the checkpoint, with layers that share attention
weights or are linearized, and what was fitted in them; or an adapter that training goes on from."""

import json
import sys
from pathlib import Path

import numpy
import torch

import plan_reader

from .checkpoint import matrix_name
from .llama import Change, Student
from .mixers import Hybrid, Window

TILE = 16
MIXERS = ("shared_attention", "windows", "hybrid_attention")  # what the metadata of an adapter says


class Plan:
    """A plan's program, and its tensors as arrays."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self.device = device
        data = memoryview(path.read_bytes())
        plan, sections = plan_reader.read_plan(data, False)
        weights = next(kind for kind, name in plan_reader.KINDS.items() if name == "weights")
        self.bytes = data[sections[weights]["offset"]:]
        self.tensors = plan["tensors"]
        self.program = plan["program"]
        self.indices = {tensor["name"]: index for index, tensor in enumerate(self.tensors)}

    def array(self, tensor: int | str) -> torch.Tensor:
        """Of float32: rows by columns, or a vector."""
        tensor = self.tensors[self.indices[tensor] if isinstance(tensor, str) else tensor]
        rows, columns = tensor["rows"], tensor["columns"]
        if tensor["layout"] == "vector":
            return torch.from_numpy(numpy.frombuffer(self.bytes, "<f4", columns, tensor["offset"]).copy()).to(self.device)
        if tensor["packing"] != "float32":
            sys.exit(f"distill: {tensor['name']} is not float32: compile with --weights f32")
        tiles = (rows + TILE - 1) // TILE
        values = numpy.frombuffer(self.bytes, "<f4", tiles * TILE * columns, tensor["offset"])
        values = values.reshape(tiles, columns, TILE).transpose(0, 2, 1).reshape(-1, columns)
        return torch.from_numpy(values[:rows].copy()).to(self.device)


def read(path: Path, tensors: dict[str, torch.Tensor], positions: int, rank: int) -> Student:
    """The student that a plan or an adapter is, with changes of low rank from the first layer on that differs."""
    student = (read_adapter if path.suffix == ".safetensors" else read_plan)(path, tensors, positions)
    student.change(tensors, rank)
    return student


def read_adapter(path: Path, tensors: dict[str, torch.Tensor], positions: int) -> Student:
    from safetensors import safe_open

    device = tensors["model.norm.weight"].device
    with safe_open(path, "pt") as file:
        metadata = {name: json.loads(value) for name, value in file.metadata().items() if name in MIXERS}
        saved = {name: file.get_tensor(name).float().to(device) for name in file.keys()}
    receivers = {record["layer"]: record for record in metadata.get("shared_attention", [])}
    mixers: dict[int, Window] = {}
    for record in metadata.get("windows", []):
        mixers[record["layer"]] = Window(record["length"], record["sinks"], positions, device)
    for record in metadata.get("hybrid_attention", []):
        prefix = f"model.layers.{record['layer']}.self_attn."
        query_map, key_map, gate = (saved.pop(f"{prefix}{part}.weight") for part in ("feature_map_q", "feature_map_k", "gate"))
        maps = (query_map.unflatten(0, (len(gate), -1)), key_map.unflatten(0, (-1, query_map.shape[0] // len(gate))))
        mixers[record["layer"]] = Hybrid(record["length"], record["sinks"], positions, record["block"], *maps, gate)
    whole = {name.removesuffix(".weight"): value for name, value in saved.items() if ".lora_" not in name}
    outputs = {name: whole.pop(name).requires_grad_(True) for name in map(lambda layer: matrix_name(layer, "o"), receivers)
               if name in whole}
    student = Student(receivers, outputs, whole, mixers)
    for name in {name.rsplit(".", 2)[0] for name in saved if ".lora_" in name}:
        student.changes[name] = Change.of(saved[f"{name}.lora_A.weight"], saved[f"{name}.lora_B.weight"])
    return student


def read_plan(path: Path, tensors: dict[str, torch.Tensor], positions: int) -> Student:
    """Output projections of layers that share are to be trained as a whole."""
    device = tensors["model.norm.weight"].device
    plan = Plan(path, device)
    attends = [each for each in plan.program["body"] if each["name"].startswith("attend")]
    layers = {each["state"]: layer for layer, each in enumerate(attends)}
    receivers: dict[int, dict] = {}
    mixers: dict[int, Window] = {}
    for layer, attend in enumerate(attends):
        state = plan.program["states"][attend["state"]]
        heads, key_heads, dimensions = attend["query_heads"], state["heads"], state["dimensions"]
        if attend["name"] == "attend_shared":
            receivers[layer] = {"layer": layer, "donor": layers[attend["donor"]], "head_map": attend["head_map"]}
        elif attend["name"] == "attend" and attend["window"]:
            mixers[layer] = Window(attend["window"], attend["sinks"], positions, device)
        elif attend["name"] == "attend_hybrid":
            # The program has its queries scaled.
            gate = plan.array(attend["gate"]).view(heads, -1).clone()
            gate[:, 2:] *= attend["scale"]
            query_map = plan.array(attend["query_map"]).view(heads, -1, dimensions) * attend["scale"]
            key_map = plan.array(attend["key_map"])
            mixers[layer] = Hybrid(
                attend["window"], attend["sinks"], positions, attend["block"], query_map,
                key_map.view(key_heads, -1, dimensions), gate)
        elif attend["name"] == "attend_grouped":
            sys.exit("distill: grouped linear attention is not trained here")
    if not receivers and not mixers:
        sys.exit(f"distill: no layer of {path} shares attention weights or is linearized")
    outputs, fitted = {}, {}
    for layer in range(len(attends)):
        for matrix, part in (("o", "attention.output"), ("down", "feed_forward.down")):
            name, value = matrix_name(layer, matrix), plan.array(f"layers.{layer}.{part}")
            if value.equal(tensors[f"{name}.weight"]):
                continue
            if matrix == "o" and layer in receivers:
                outputs[name] = value.requires_grad_(True)
            else:
                fitted[name] = value
    return Student(receivers, outputs, fitted, mixers)
