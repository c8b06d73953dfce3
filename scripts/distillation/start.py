"""What a student starts from: a plan that `lathe compile --weights f32` made of the checkpoint, with layers that share attention
weights or are linearized, and what was fitted in them."""

import sys
from pathlib import Path

import numpy
import torch

import plan_reader

from .checkpoint import matrix_name
from .llama import Student
from .mixers import Hybrid, Window

TILE = 16


class Plan:
    """A plan's program, and its tensors as arrays."""

    def __init__(self, path: Path) -> None:
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
            return torch.from_numpy(numpy.frombuffer(self.bytes, "<f4", columns, tensor["offset"]).copy())
        if tensor["packing"] != "float32":
            sys.exit(f"distill: {tensor['name']} is not float32: compile with --weights f32")
        tiles = (rows + TILE - 1) // TILE
        values = numpy.frombuffer(self.bytes, "<f4", tiles * TILE * columns, tensor["offset"])
        values = values.reshape(tiles, columns, TILE).transpose(0, 2, 1).reshape(-1, columns)
        return torch.from_numpy(values[:rows].copy())


def read(path: Path, tensors: dict[str, torch.Tensor], positions: int) -> Student:
    """The student that a plan is; output projections of layers that share are to be trained as a whole."""
    plan = Plan(path)
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
            mixers[layer] = Window(attend["window"], attend["sinks"], positions)
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
