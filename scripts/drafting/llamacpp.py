"""llama.cpp's prompt lookup, through llama-cpp-python: `python -m drafting.llamacpp GGUF TOKENS PREDICTED THREADS`.

Reads a JSON list of prompts from stdin, continues each greedily with and without lookup in turn, and prints the tokens and the
seconds of both, prefill left out, as a line of JSON. The binding copies logits in Python, with lookup those of every guess.
"""

import json
import os
import sys
import time


def decode(llama, ids: list[int], tokens: int) -> tuple[list[int], float]:
    """The tokens that follow, and the seconds from the first one to the last."""
    found, begin = [], 0.0
    llama.reset()
    for token in llama.generate(ids, temp=0, repeat_penalty=1.0):
        if not found:
            begin = time.perf_counter()
        elif token == llama.token_eos() or len(found) == tokens:
            break
        found.append(int(token))
    return found, time.perf_counter() - begin


def main(path: str, tokens: int, predicted: int, threads: int) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import llama_cpp
    from llama_cpp.llama_speculative import LlamaPromptLookupDecoding

    def load(draft):
        return llama_cpp.Llama(path, n_ctx=4096, n_threads=threads, n_threads_batch=threads, verbose=False, draft_model=draft)

    plain, lookup = load(None), load(LlamaPromptLookupDecoding(num_pred_tokens=predicted))
    totals = {"tokens": 0, "plain_seconds": 0.0, "lookup_seconds": 0.0, "same": 0, "prompts": 0}
    for prompt in json.load(sys.stdin):
        ids = plain.tokenize(prompt.encode(), add_bos=False, special=True)
        (expected, plain_seconds), (found, lookup_seconds) = decode(plain, ids, tokens), decode(lookup, ids, tokens)
        count = min(len(expected), len(found))
        # Rates over as many tokens each, whatever they are.
        if count > 1:
            totals["tokens"] += count
            totals["plain_seconds"] += plain_seconds * count / len(expected)
            totals["lookup_seconds"] += lookup_seconds * count / len(found)
        totals["same"] += expected == found
        totals["prompts"] += 1
    print(json.dumps(totals), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
