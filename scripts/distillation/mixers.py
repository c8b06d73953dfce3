"""What attention becomes in layers that are linearized: over one chunk of positions, from its first one on.

Queries are [heads, position, dimension], keys and values [key heads, position, dimension], both rotated; so are the results.
"""

import math

import torch
from torch.nn import functional

FRAME = 64  # rows that look at the same positions


class Window:
    """Softmax over the last positions and the first ones, of up to `positions` that there are. Of `length` positions those that a
    row sees begin at a multiple of `block`, where there is one."""

    form = "windows"

    def __init__(self, length: int, sinks: int, positions: int, device: torch.device, block: int = 1) -> None:
        self.length, self.sinks, self.block = length, sinks, block
        frame = self.frame = block if block > 1 else FRAME
        if positions % frame:
            raise ValueError(f"{positions} positions are no multiple of {frame}")
        rows = torch.arange(positions).view(-1, frame)
        first = (rows // block * block + block - length).clamp(min=0)
        # Frames before a row's own that it sees of.
        self.before = min(-(-(length - block) // frame), len(rows) - 1)
        seen = rows[:, :1] + torch.arange(-self.before * frame, frame)[None]
        visible = (seen[:, None] >= first[..., None]) & (seen[:, None] <= rows[..., None])
        visible = torch.cat((torch.arange(sinks) < first[..., None], visible), -1)
        self.mask = torch.zeros(visible.shape).masked_fill(~visible, -1e30).to(device)

    def parameters(self) -> list[torch.Tensor]:
        return []

    def seen(self, x: torch.Tensor) -> torch.Tensor:
        """What each frame's rows look at, of [key head, position, dimension]: the sinks, frames before their own, and their own."""
        key_heads, positions, dimensions = x.shape
        frames = positions // self.frame
        sinks = x[:, None, :self.sinks].expand(-1, frames, -1, -1)
        x = functional.pad(x, (0, 0, self.before * self.frame, 0)).view(key_heads, -1, self.frame, dimensions)
        return torch.cat((sinks, *(x[:, first:first + frames] for first in range(self.before + 1))), 2)

    def near(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The largest score, and the values weighted with exp(score - largest): of each frame's rows by key head, its query heads
        and rows."""
        key_heads, positions, dimensions = key.shape
        frames = positions // self.frame
        rows = query.view(key_heads, -1, frames, self.frame, dimensions)
        scores = rows @ self.seen(key).transpose(-1, -2)[:, None] / math.sqrt(dimensions) + self.mask[:frames]
        largest = scores.amax(-1, keepdim=True)
        return largest, torch.exp(scores - largest) @ self.seen(value)[:, None]

    def attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        heads, positions, dimensions = query.shape
        key_heads, frames = len(key), positions // self.frame
        # By frame and key head: the rows of its query heads beside each other.
        rows = query.view(key_heads, -1, frames, self.frame, dimensions).permute(2, 0, 1, 3, 4)
        mask = self.mask[:frames].repeat(1, rows.shape[2], 1)[:, None]
        mixed = functional.scaled_dot_product_attention(
            rows.flatten(2, 3), self.seen(key).transpose(0, 1), self.seen(value).transpose(0, 1), mask)
        return mixed.view(rows.shape).permute(1, 2, 0, 3, 4).reshape(heads, positions, dimensions)

    def record(self, layer: int) -> dict:
        return {"layer": layer, "length": self.length, "sinks": self.sinks}

    def tensors(self, prefix: str) -> dict[str, torch.Tensor]:
        return {}


class Hybrid(Window):
    """Softmax over a window, and behind it sums of features of the keys with the values (formats/adapter.md, "Hybrid attention")."""

    form = "hybrid_attention"

    def __init__(self, length: int, sinks: int, positions: int, block: int, query_map: torch.Tensor, key_map: torch.Tensor,
                 gate: torch.Tensor) -> None:
        """Maps are [heads, rows, dimensions] and [key heads, rows, dimensions], the gate [heads, 2 + dimensions]."""
        super().__init__(length, sinks, positions, query_map.device, block)
        self.query_map, self.key_map, self.gate = (each.requires_grad_(True) for each in (query_map, key_map, gate))

    def parameters(self) -> list[torch.Tensor]:
        return [self.query_map, self.key_map, self.gate]

    @staticmethod
    def features(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        logits = x @ weight.transpose(-1, -2)
        return torch.cat((torch.softmax(logits, -1), torch.softmax(-logits, -1)), -1)

    def attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        key_heads, positions, dimensions = key.shape
        frames, behind = positions // self.frame, self.length // self.block
        value = with_ones(value)
        largest, near = self.near(query, key, value)
        exponent = self.gate[:, None, :1] + query @ self.gate[:, 2:, None]
        exponent = exponent.view(*largest.shape) + self.gate[:, 1].view(key_heads, -1, 1, 1, 1) * largest
        far_keys = self.features(key, self.key_map) * (torch.arange(positions, device=key.device) >= self.sinks)[:, None]
        products = (far_keys.view(key_heads, frames, self.frame, -1).transpose(-1, -2)
                    @ value.view(key_heads, frames, self.frame, -1))
        sums = functional.pad(products.cumsum(1), (0, 0, 0, 0, behind, 0))[:, :frames]
        far_queries = self.features(query, self.query_map).view(key_heads, -1, frames, self.frame, far_keys.shape[-1])
        return divided(exponent.clamp(-30, 30).exp() * near + far_queries @ sums[:, None]).reshape(query.shape)

    def record(self, layer: int) -> dict:
        return super().record(layer) | {"block": self.block}

    def tensors(self, prefix: str) -> dict[str, torch.Tensor]:
        return {
            f"{prefix}feature_map_q.weight": self.query_map.flatten(0, 1),
            f"{prefix}feature_map_k.weight": self.key_map.flatten(0, 1),
            f"{prefix}gate.weight": self.gate,
        }


def with_ones(value: torch.Tensor) -> torch.Tensor:
    """Values with a 1 behind each, whose weighted sum is that of the weights."""
    return functional.pad(value, (0, 1), value=1.0)


def divided(sums: torch.Tensor) -> torch.Tensor:
    return sums[..., :-1] / sums[..., -1:]
