"""A Llama whose mask rows have embeddings and low-rank changes of their own; rows of tokens are the model's as it is."""

import torch
from torch.nn import functional

from distillation.checkpoint import ATTENTION, FEED_FORWARD, matrix_name
from distillation.llama import Change, Model


class Masks:
    """What mask rows have of their own: an embedding for each place of a group, and a change of each matrix."""

    def __init__(self, tensors: dict[str, torch.Tensor], layers: int, places: int, rank: int) -> None:
        embedding = tensors["model.embed_tokens.weight"]
        self.embeddings = embedding.float().mean(0).repeat(places, 1).clone().requires_grad_(True)
        self.changes = {}
        for layer in range(layers):
            for matrix in ATTENTION + FEED_FORWARD:
                weight = tensors[f"{matrix_name(layer, matrix)}.weight"]
                self.changes[matrix_name(layer, matrix)] = Change(weight.shape, rank, weight.device)

    @property
    def places(self) -> int:
        return len(self.embeddings)

    def parameters(self) -> list[torch.Tensor]:
        return [part for change in self.changes.values() for part in (change.a, change.b)]


class MaskedModel(Model):
    """Computes rows of tokens once, without gradients, and then groups of masks behind any of them, for several texts at once.

    Queries, keys and values are [text, head, row, dimension].
    """

    def narrowed(self) -> "MaskedModel":
        """The same, on a GPU with matrices in bfloat16: the factors of masks and the residual stream keep float32."""
        if self.embedding.is_cuda:
            self.tensors = {name: tensor.bfloat16() if tensor.ndim == 2 else tensor for name, tensor in self.tensors.items()}
            self.embedding, self.head = self.embedding.bfloat16(), self.head.bfloat16()
        return self

    def read(self, ids: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values of every layer, of texts [text, position]; what pads them stands behind them."""
        kept = []
        positions = torch.arange(ids.shape[1], device=ids.device)[None]
        with torch.no_grad():
            x = self.embedding[ids].float()
            for layer in range(self.layers):
                query, key, value = self.projected(x, layer, positions, None)
                kept.append((key, value))
                if layer == self.layers - 1:
                    break
                mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
                x = self.behind(x, mixed, layer, None)
        return kept

    def projected(self, x: torch.Tensor, layer: int, positions: torch.Tensor, masks: Masks | None) -> list[torch.Tensor]:
        """Queries, keys and values, the first two rotated."""
        normal = self.norm(x, f"model.layers.{layer}.input_layernorm")
        query = self.rotated(self.product(normal, layer, "q", masks).unflatten(-1, (self.heads, -1)), positions)
        key = self.rotated(self.product(normal, layer, "k", masks).unflatten(-1, (self.key_heads, -1)), positions)
        value = self.product(normal, layer, "v", masks).unflatten(-1, (self.key_heads, -1))
        return [each.to(value.dtype).transpose(1, 2) for each in (query, key, value)]

    def product(self, x: torch.Tensor, layer: int, matrix: str, masks: Masks | None) -> torch.Tensor:
        name = matrix_name(layer, matrix)
        weight = self.tensors[f"{name}.weight"]
        x = x.to(weight.dtype)
        y = x @ weight.T
        if masks is None:
            return y
        change = masks.changes[name]
        return y + (x @ change.a.T.to(x.dtype)) @ change.b.T.to(x.dtype)

    def attended(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """What rows attend to, of which they see [text, row, position]; heads of one key head are rows beside each other."""
        texts, _, rows, _ = query.shape
        group = self.heads // self.key_heads
        stacked = query.reshape(texts, self.key_heads, group * rows, -1)
        mixed = functional.scaled_dot_product_attention(stacked, key, value, seen.repeat(1, group, 1)[:, None])
        return mixed.reshape(texts, self.heads, rows, -1)

    def behind(self, x: torch.Tensor, mixed: torch.Tensor, layer: int, masks: Masks | None) -> torch.Tensor:
        """The residual stream behind a layer whose attention gave `mixed`."""
        x = x + self.product(mixed.transpose(1, 2).flatten(2), layer, "o", masks)
        normal = self.norm(x, f"model.layers.{layer}.post_attention_layernorm")
        gated = functional.silu(self.product(normal, layer, "gate", masks)) * self.product(normal, layer, "up", masks)
        return x + self.product(gated, layer, "down", masks)

    def foresee(self, kept: list, anchors: torch.Tensor, masks: Masks) -> torch.Tensor:
        """The residual stream [text, anchor, place, hidden] of groups of masks behind positions `anchors` [text, anchor]."""
        texts, count = anchors.shape
        places, device = masks.places, anchors.device
        steps = torch.arange(places, device=device)
        positions = (anchors[..., None] + 1 + steps).flatten(1)
        # What is behind an anchor is not seen; of masks, those of the own group that stand before.
        far = torch.arange(kept[0][0].shape[2], device=device) <= anchors.repeat_interleave(places, 1)[..., None]
        near = torch.block_diag(*[torch.ones(places, places, dtype=torch.bool, device=device).tril()] * count)
        seen = torch.cat((far, near.expand(texts, -1, -1)), -1)
        x = masks.embeddings.repeat(texts, count, 1)
        for layer in range(self.layers):
            query, key, value = self.projected(x, layer, positions, masks)
            keys, values = (torch.cat(each, 2) for each in zip(kept[layer], (key, value)))
            x = self.behind(x, self.attended(query, keys, values, seen), layer, masks)
        return x.unflatten(1, (count, places))
