"""A Llama whose mask rows have embeddings and low-rank changes of their own; rows of tokens are the model's as it is."""

import math

import torch
from torch.nn import functional

from distillation.checkpoint import ATTENTION, FEED_FORWARD, matrix_name
from distillation.llama import Change, Model


class Masks:
    """What mask rows have of their own: an embedding for each place of a group, and a change of each matrix."""

    def __init__(self, tensors: dict[str, torch.Tensor], layers: int, places: int, rank: int) -> None:
        embedding = tensors["model.embed_tokens.weight"]
        self.embeddings = embedding.mean(0).repeat(places, 1).clone().requires_grad_(True)
        self.changes = {matrix_name(layer, matrix): Change(tensors[f"{matrix_name(layer, matrix)}.weight"].shape, rank)
                        for layer in range(layers) for matrix in ATTENTION + FEED_FORWARD}

    @property
    def places(self) -> int:
        return len(self.embeddings)

    def parameters(self) -> list[torch.Tensor]:
        return [part for change in self.changes.values() for part in (change.a, change.b)]


class MaskedModel(Model):
    """Computes rows of tokens once, without gradients, and then groups of masks behind any of them."""

    def read(self, ids: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values [key head, position, dimension] of every layer."""
        kept = []
        positions = torch.arange(len(ids))
        with torch.no_grad():
            x = self.embedding[ids]
            for layer in range(self.layers):
                query, key, value = self.projected(x, layer, positions, None)
                kept.append((key, value))
                if layer == self.layers - 1:
                    break
                mixed = functional.scaled_dot_product_attention(
                    query[None], key[None], value[None], is_causal=True, enable_gqa=True)[0]
                x = self.behind(x, mixed, layer, None)
        return kept

    def projected(self, x: torch.Tensor, layer: int, positions: torch.Tensor, masks: Masks | None) -> list[torch.Tensor]:
        """Queries, keys and values [head, row, dimension], the first two rotated."""
        normal = self.norm(x, f"model.layers.{layer}.input_layernorm")
        query = self.rotated(self.product(normal, layer, "q", masks).view(len(x), self.heads, -1), positions)
        key = self.rotated(self.product(normal, layer, "k", masks).view(len(x), self.key_heads, -1), positions)
        value = self.product(normal, layer, "v", masks).view(len(x), self.key_heads, -1)
        return [each.transpose(0, 1) for each in (query, key, value)]

    def product(self, x: torch.Tensor, layer: int, matrix: str, masks: Masks | None) -> torch.Tensor:
        name = matrix_name(layer, matrix)
        y = x @ self.tensors[f"{name}.weight"].T
        if masks is None:
            return y
        change = masks.changes[name]
        return y + (x @ change.a.T) @ change.b.T

    def behind(self, x: torch.Tensor, mixed: torch.Tensor, layer: int, masks: Masks | None) -> torch.Tensor:
        """The residual stream behind a layer whose attention gave `mixed` [head, row, dimension]."""
        x = x + self.product(mixed.transpose(0, 1).flatten(1), layer, "o", masks)
        normal = self.norm(x, f"model.layers.{layer}.post_attention_layernorm")
        gated = functional.silu(self.product(normal, layer, "gate", masks)) * self.product(normal, layer, "up", masks)
        return x + self.product(gated, layer, "down", masks)

    def foresee(self, kept: list, anchors: torch.Tensor, masks: Masks) -> torch.Tensor:
        """The residual stream [anchor, place, hidden] of a group of masks behind each of the positions `anchors`."""
        count, places = len(anchors), masks.places
        positions = (anchors[:, None] + 1 + torch.arange(places)).flatten()
        length = len(kept[0][0][0])
        # What is behind an anchor is not seen; within a group, what is behind a mask.
        hidden = (torch.arange(length) > anchors[:, None]).repeat_interleave(places, 0)
        later = torch.ones(places, places, dtype=torch.bool).triu(1)
        x = masks.embeddings.repeat(count, 1)
        for layer in range(self.layers):
            query, key, value = self.projected(x, layer, positions, masks)
            # [key head, group of heads x row, dimension]
            query = query.reshape(self.key_heads, -1, self.dimensions) / math.sqrt(self.dimensions)
            keys, values = kept[layer]
            far = (query @ keys.transpose(1, 2)).view(self.heads, -1, length).masked_fill(hidden, -math.inf)
            queries = query.view(self.key_heads, -1, count, places, self.dimensions)
            near_keys = key.view(self.key_heads, 1, count, places, self.dimensions)
            near_values = value.view(self.key_heads, 1, count, places, self.dimensions)
            near = (queries @ near_keys.transpose(3, 4)).masked_fill(later, -math.inf).reshape(self.heads, -1, places)
            weights = torch.softmax(torch.cat((far, near), -1), -1)
            far, near = weights.split((length, places), -1)
            mixed = (far.reshape(self.key_heads, -1, length) @ values).view(self.heads, -1, self.dimensions)
            near = near.reshape(self.key_heads, -1, count, places, places) @ near_values
            x = self.behind(x, mixed + near.reshape(self.heads, -1, self.dimensions), layer, masks)
        return x.view(count, places, -1)
