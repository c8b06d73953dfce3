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

from quality.llamacpp import Model, chunks
from quality.scoring import Scores


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("-c", "--context", type=int, default=512)
    parser.add_argument("--chunks", type=int, help="at most this many (all, where it is not given)")
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()

    model = Model(options.gguf, options.context, options.threads)
    tokens = model.tokenize(options.text.read_bytes())
    if len(tokens) < 2 * options.context:
        sys.exit(f"{options.text}: {len(tokens)} tokens, at least {2 * options.context} are needed")
    scores, each = Scores(), []
    for chunk, targets in chunks(tokens, options.context, options.chunks):
        scores.add(model.logits(chunk), targets)
        each.append(round(math.exp(math.fsum(scores.losses[-len(targets):]) / len(targets)), 5))
    print(json.dumps({
        "perplexity": scores.perplexity,
        "standard_error": scores.standard_error,
        "tokens": len(scores.losses),
        "text_tokens": len(tokens),
        "context": options.context,
        "chunks": len(each),
        "chunk_perplexities": each,
        "llama_cpp_python": llama_cpp.__version__,
    }, indent=1))


if __name__ == "__main__":
    main()
