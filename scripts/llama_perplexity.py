#!/usr/bin/env python3
"""Perplexity of a GGUF over a text, as llama.cpp's own perplexity tool counts it, over llama-cpp-python's logits.

The text is tokenized once, special tokens in it as plain text, with the beginning-of-sequence token in front where the
model's `add_bos_token` says so, less one newline at the end of the file. It is cut into chunks of --context tokens that
do not overlap; what is left over is dropped. Each chunk runs from an empty cache, its first token replaced by the
beginning-of-sequence token where the model asks for one. A chunk's positions from context / 2 on, but the last, predict
the token behind them. The sums are in float64.

Prints one JSON object. Needs: llama-cpp-python, numpy.
"""

import argparse
import json
import math
import os
import sys
from pathlib import Path

import llama_cpp
import numpy


def negative_log_likelihoods(logits, targets):
    """-log softmax(logits)[target], row by row."""
    logits = logits.astype(numpy.float64)
    largest = logits.max(axis=1)
    log_sums = largest + numpy.log(numpy.exp(logits - largest[:, None]).sum(axis=1))
    return log_sums - logits[numpy.arange(len(targets)), targets]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("-c", "--context", type=int, default=512)
    parser.add_argument("--chunks", type=int, help="at most this many (all, where it is not given)")
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()

    context = options.context
    model = llama_cpp.Llama(
        str(options.gguf), n_ctx=context, n_batch=context, n_ubatch=min(context, 512), n_threads=options.threads,
        n_threads_batch=options.threads, logits_all=True, verbose=False)
    add_bos = bool(llama_cpp.llama_vocab_get_add_bos(model._model.vocab))
    text = options.text.read_bytes().removesuffix(b"\n")
    tokens = model.tokenize(text, add_bos=add_bos, special=False)
    if len(tokens) < 2 * context:
        sys.exit(f"{options.text}: {len(tokens)} tokens, at least {2 * context} are needed")
    count = len(tokens) // context
    if options.chunks is not None:
        count = min(count, options.chunks)

    first = context // 2
    losses = []
    for chunk in range(count):
        ids = tokens[chunk * context:(chunk + 1) * context]
        targets = numpy.array(ids[first + 1:])
        if add_bos:
            ids[0] = model.token_bos()
        model.reset()
        model.eval(ids)
        losses.append(negative_log_likelihoods(model.scores[first:context - 1], targets))
    scored = numpy.concatenate(losses)
    mean = float(scored.mean())
    perplexity = math.exp(mean)
    print(json.dumps({
        "perplexity": perplexity,
        "standard_error": perplexity * float(scored.std(ddof=1)) / math.sqrt(scored.size),
        "tokens": int(scored.size),
        "text_tokens": len(tokens),
        "context": context,
        "chunks": count,
        "chunk_perplexities": [round(math.exp(float(loss.mean())), 5) for loss in losses],
        "llama_cpp_python": llama_cpp.__version__,
    }, indent=1))


if __name__ == "__main__":
    main()
