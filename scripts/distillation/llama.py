"""The model: a Llama."""

import math

import torch
from torch.nn import functional

from .checkpoint import ATTENTION, FEED_FORWARD, matrix_name
from .mixers import Window


class Change:
    """What is added to a matrix: B A, of low rank, zero at first."""

    def __init__(self, shape: torch.Size, rank: int, device: torch.device) -> None:
        rows, columns = shape
        # Drawn in the same place for every device: the same seed begins in the same way.
        self.a = (torch.randn(rank, columns) / math.sqrt(columns)).to(device).requires_grad_(True)
        self.b = torch.zeros(rows, rank, device=device, requires_grad=True)

    @classmethod
    def of(cls, a: torch.Tensor, b: torch.Tensor) -> "Change":
        change = cls.__new__(cls)
        change.a, change.b = a.requires_grad_(True), b.requires_grad_(True)
        return change


class Student:
    """What the student does in another way than the teacher."""

    def __init__(self, receivers: dict[int, dict], outputs: dict[str, torch.Tensor], fitted: dict[str, torch.Tensor],
                 mixers: dict[int, Window]) -> None:
        # Donor and head map of layers that share attention, their output projections, which are trained as a whole, other matrices
        # that are not the teacher's, and what layers have for attention to everything.
        self.receivers, self.outputs, self.fitted, self.mixers = receivers, outputs, fitted, mixers
        self.changes: dict[str, Change] = {}

    @property
    def first(self) -> int:
        """The first layer that is not the teacher's."""
        return min([receiver["donor"] for receiver in self.receivers.values()] + list(self.mixers))

    def change(self, tensors: dict[str, torch.Tensor], rank: int) -> None:
        """Adds a change of each matrix that is used, not trained as a whole, and has none yet, from the first layer on that is not
        the teacher's."""
        for layer in range(self.first, sum(name.endswith("input_layernorm.weight") for name in tensors)):
            for matrix in ATTENTION + FEED_FORWARD:
                name = matrix_name(layer, matrix)
                unused = layer in self.receivers and matrix in ("q", "k")
                if name not in self.outputs and name not in self.changes and not unused:
                    weight = tensors[f"{name}.weight"]
                    self.changes[name] = Change(weight.shape, rank, weight.device)


class Model:
    """A Llama; with a student's differences the student, without them the teacher."""

    def __init__(self, settings: dict, tensors: dict[str, torch.Tensor], length: int) -> None:
        self.tensors = tensors
        self.layers = settings["num_hidden_layers"]
        self.heads = settings["num_attention_heads"]
        self.key_heads = settings.get("num_key_value_heads") or self.heads
        self.dimensions = settings.get("head_dim") or settings["hidden_size"] // self.heads
        self.epsilon = settings["rms_norm_eps"]
        self.embedding = tensors["model.embed_tokens.weight"]
        self.head = tensors.get("lm_head.weight", self.embedding)
        theta = (settings.get("rope_parameters") or settings)["rope_theta"]
        frequencies = theta ** (-torch.arange(0, self.dimensions, 2).double() / self.dimensions)
        angles = torch.outer(torch.arange(length).double(), frequencies)
        device = self.embedding.device
        self.cosines, self.sines = (each.float()[:, None].to(device) for each in (angles.cos(), angles.sin()))

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        weight = self.tensors[f"{name}.weight"]
        return functional.rms_norm(x, weight.shape, weight, self.epsilon)

    def rotated(self, x: torch.Tensor, positions: torch.Tensor | slice) -> torch.Tensor:
        first, second = x.chunk(2, -1)
        cosines, sines = self.cosines[positions], self.sines[positions]
        return torch.cat((first * cosines - second * sines, second * cosines + first * sines), -1)

    def attended(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Attention to everything before; on a GPU in bfloat16, since float32 has no fused kernel there."""
        exact = query.dtype
        if query.is_cuda:
            query, key, value = (each.bfloat16() for each in (query, key, value))
        return functional.scaled_dot_product_attention(
            query[None], key[None], value[None], is_causal=True, enable_gqa=True).to(exact)

    def grouped(self, x: torch.Tensor) -> torch.Tensor:
        """Query heads' matrices, stacked by the key head that they use."""
        return x.reshape(self.key_heads, -1, x.shape[-1])

    def run(self, x: torch.Tensor, layers: range, student: Student | None = None) -> torch.Tensor:
        """The residual stream [position, hidden] behind `layers`."""
        student = student or Student({}, {}, {}, {})
        weights = student.fitted | student.outputs

        def product(x: torch.Tensor, layer: int, matrix: str) -> torch.Tensor:
            name = matrix_name(layer, matrix)
            y = x @ weights.get(name, self.tensors[f"{name}.weight"]).T
            change = student.changes.get(name)
            return y if change is None else y + (x @ change.a.T) @ change.b.T

        kept, donors = {}, {receiver["donor"] for receiver in student.receivers.values()}
        positions = slice(len(x))
        for layer in layers:
            prefix = f"model.layers.{layer}."
            normal = self.norm(x, f"{prefix}input_layernorm")
            value = product(normal, layer, "v").view(-1, self.key_heads, self.dimensions).transpose(0, 1)
            if layer in student.receivers:
                receiver = student.receivers[layer]
                mixed = self.grouped(kept[receiver["donor"]][receiver["head_map"]]) @ value
            else:
                query = product(normal, layer, "q").view(-1, self.heads, self.dimensions)
                key = product(normal, layer, "k").view(-1, self.key_heads, self.dimensions)
                query, key = (self.rotated(each, positions).transpose(0, 1) for each in (query, key))
                if layer in student.mixers:
                    mixed = student.mixers[layer].attend(query, key, value)
                elif layer in donors:
                    scores = (self.grouped(query) @ key.transpose(1, 2)).view(self.heads, len(x), len(x))
                    later = torch.ones(scores.shape[1:], dtype=torch.bool, device=scores.device).triu(1)
                    kept[layer] = torch.softmax((scores / math.sqrt(self.dimensions)).masked_fill(later, -math.inf), -1)
                    mixed = self.grouped(kept[layer]) @ value
                else:
                    mixed = self.attended(query, key, value)
            mixed = mixed.reshape(self.heads, len(x), self.dimensions)
            x = x + product(mixed.transpose(0, 1).flatten(1), layer, "o")
            normal = self.norm(x, f"{prefix}post_attention_layernorm")
            gated = functional.silu(product(normal, layer, "gate")) * product(normal, layer, "up")
            x = x + product(gated, layer, "down")
        return x

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x, "model.norm").to(self.head.dtype) @ self.head.T
