"""What a model says behind prompts, for many of them at once."""

import random
from collections.abc import Iterator

import torch

from .model import MaskedModel


def answered(model: MaskedModel, prompts: list[list[int]], tokens: int, ends: list[int], batch: int,
             temperature: float = 0.0) -> Iterator[tuple[int, list[int]]]:
    """The number of each prompt with up to `tokens` ids behind it, the likeliest ones or drawn ones, without the end. `batch`
    prompts of similar lengths are taken at a time, in mixed order: what is cut short has prompts of all lengths."""
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    batches = [order[first:first + batch] for first in range(0, len(order), batch)]
    random.Random(0).shuffle(batches)
    for numbers in batches:
        with torch.no_grad():
            rows = written(model, [prompts[number] for number in numbers], tokens, ends, temperature).tolist()
        for number, row in zip(numbers, rows):
            yield number, row[:next((place for place, token in enumerate(row) if token in ends), len(row))]


def written(model: MaskedModel, prompts: list[list[int]], tokens: int, ends: list[int], temperature: float) -> torch.Tensor:
    """Ids [prompt, token] behind prompts, which are padded in front; behind an end there is anything."""
    device = model.embedding.device
    longest = max(map(len, prompts))
    padding = torch.tensor([longest - len(prompt) for prompt in prompts], device=device)[:, None]
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)
    places = torch.arange(longest + tokens, device=device)
    ending = torch.tensor(ends, device=device)
    shape = (len(prompts), model.key_heads, longest + tokens, model.dimensions)
    caches: list[tuple[torch.Tensor, torch.Tensor]] = []
    found: list[torch.Tensor] = []
    ended = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    begin, end = 0, longest
    while len(found) < tokens and not ended.all():
        rows = places[begin:end]
        # Padding sees itself: a row that sees nothing has no softmax.
        seen = (places[:end] <= rows[:, None]) & ((places[:end] >= padding[..., None]) | (places[:end] == rows[:, None]))
        positions = (rows - padding).clamp(min=0)
        x = model.embedding[ids].float()
        for layer in range(model.layers):
            query, key, value = model.projected(x, layer, positions, None)
            if layer == len(caches):
                caches.append((key.new_zeros(shape), value.new_zeros(shape)))
            keys, values = caches[layer]
            keys[:, :, begin:end], values[:, :, begin:end] = key, value
            x = model.behind(x, model.attended(query, keys[:, :, :end], values[:, :, :end], seen), layer, None)
        logits = model.logits(x[:, -1]).float()
        if temperature:
            chosen = torch.multinomial(torch.softmax(logits / temperature, -1), 1)[:, 0]
        else:
            chosen = logits.argmax(-1)
        found.append(chosen)
        ended |= torch.isin(chosen, ending)
        ids, begin, end = chosen[:, None], end, end + 1
    return torch.stack(found, 1)
