# Everything from a fresh clone: `make run` speaks, `make test` proves. Both may be run again; what is done stays done.

MODEL := .models/SmolLM2-135M-Instruct.Q4_1.gguf
PLAN := $(MODEL:.gguf=.plan)
# Masks for drafting, which `make train-space` has trained.
MASKS := Adapters/SmolLM2-135M-Instruct.masks.safetensors
EVAL_TEXT := .models/eval.txt
TRAINING_TEXT := .models/training.txt
TRAINER := .venv-train/bin/python
RECEIVERS ?= 15,25,27,29
ADAPTER ?= .models/sharing/$(RECEIVERS).safetensors
LINEARIZED ?= 0-29
FORM ?= hybrid
LINEAR ?= .models/linearized/$(FORM)-$(LINEARIZED)
DISTILL_OPTIONS ?=
SPACE ?= .models/space/masks.safetensors
SPACE_OPTIONS ?=
CORPUS_OPTIONS ?=
LATHE := .build/release/lathe
RUNNER := .build/lathe-run
PROMPT ?= The three laws of motion say that
TOKENS ?= 64
BENCH_OPTIONS ?=
# Packed relocations touch 2 MB less memory at each start; glibc reads them from 2.36 on.
RELOCATIONS := $(shell getconf GNU_LIBC_VERSION | awk '$$2 >= 2.36 { \
	print "-Xswiftc -use-ld=lld -Xlinker -z -Xlinker pack-relative-relocs" }')

.PHONY: run test build runner runner-static lint fuzz bench bench-kernels bench-peers bench-large bench-quality bench-packings bench-sharing bench-linearize bench-drafting
.PHONY: distill-sharing distill-linear train-space setup model eval-text clean FORCE
.DEFAULT_GOAL := build

# Generates from the real model: the text on stdout, the statistics on stderr.
run: $(PLAN)
	@$(LATHE) run $(PLAN) -p "$(PROMPT)" -n $(TOKENS) --temp 0 --draft auto

test: setup $(MODEL) $(EVAL_TEXT)
	@scripts/test.sh

build: $(LATHE)

# The minimal runner: Embedded Swift, the C library and libm, nothing else.
runner: $(RUNNER)

runner-static: $(RUNNER)-static

lint:
	swift format lint --strict -r Package.swift Sources Tests

fuzz:
	scripts/fuzz.sh 60

bench: $(PLAN)
	$(LATHE) bench $(PLAN) --rows 4,8

# Every kernel alone on one thread, beside the processor's limits.
bench-kernels:
	@scripts/bench_kernels.sh

# Installs the peers from PyPI into .venv-peers, once, and measures beside them. BENCH_OPTIONS="--isa avx2 --rounds 3".
bench-peers: $(PLAN)
	python3 scripts/bench_peers.py --lathe $(LATHE) --plan $(PLAN) --gguf $(MODEL) $(BENCH_OPTIONS)

# The same for a synthetic model of 1.1 billion parameters, 6 GB of files in .models/large, and what compiling it takes.
bench-large: $(LATHE)
	python3 scripts/bench_large.py --lathe $(LATHE) $(BENCH_OPTIONS)

# Perplexity and divergence over bytes beside llama.cpp's types, on the model's rotated twin, whose weights lie on no grid.
bench-quality: $(LATHE) $(MODEL) $(EVAL_TEXT)
	python3 scripts/bench_quality.py --lathe $(LATHE) --gguf $(MODEL) --text $(EVAL_TEXT) $(BENCH_OPTIONS)

# Decoding with every packing, beside what its bytes allow.
bench-packings: $(LATHE) $(MODEL)
	python3 scripts/bench_packings.py --lathe $(LATHE) --source $(MODEL) $(BENCH_OPTIONS)

# Attention weights shared between layers: what each step costs and gives.
bench-sharing: $(LATHE) $(MODEL) $(EVAL_TEXT)
	python3 scripts/bench_sharing.py --lathe $(LATHE) --source $(MODEL) --text $(EVAL_TEXT) $(BENCH_OPTIONS)

# Attention whose state does not grow: what it costs and gives.
bench-linearize: $(LATHE) $(MODEL) $(EVAL_TEXT) $(TRAINING_TEXT)
	python3 scripts/bench_linearize.py --lathe $(LATHE) --source $(MODEL) --text $(EVAL_TEXT) --calibration $(TRAINING_TEXT) \
		$(BENCH_OPTIONS)

# Several tokens a step: what drafting gives for prompts of four kinds. The plan has integer weights, as plans for use do.
bench-drafting: $(LATHE) $(MODEL) $(EVAL_TEXT)
	$(LATHE) compile $(MODEL) -o .models/drafting.plan --weights w8 --space $(MASKS)
	python3 scripts/bench_drafting.py --lathe $(LATHE) --plan .models/drafting.plan --text $(EVAL_TEXT) $(BENCH_OPTIONS)

# Distils a model with shared attention into an adapter, half an hour and more of 2 cores: RECEIVERS="15,25,27,29" DISTILL_OPTIONS="--steps
# 900". Takes PyTorch from PyPI, 6 GB in .venv-train.
distill-sharing: $(LATHE) $(MODEL) $(TRAINING_TEXT) $(TRAINER)
	@mkdir -p $(dir $(ADAPTER))
	$(LATHE) compile $(MODEL) -o $(ADAPTER:.safetensors=.start.plan) --weights f32 --share-attention $(RECEIVERS)
	$(TRAINER) scripts/distill.py $(MODEL) $(ADAPTER:.safetensors=.start.plan) $(ADAPTER) --text $(TRAINING_TEXT) \
		$(DISTILL_OPTIONS)

# The same for layers that are linearized, from what compiling fits: LINEARIZED="0-29" FORM="hybrid" DISTILL_OPTIONS="--steps 300"; with
# long chunks and texts in which something is asked for again, DISTILL_OPTIONS="--lengths 1024,8192 --recall 0.25", on a GPU --device cuda.
distill-linear: $(LATHE) $(MODEL) $(TRAINING_TEXT) $(TRAINER)
	@mkdir -p $(dir $(LINEAR))
	$(LATHE) compile $(MODEL) -o $(LINEAR).start.plan --weights f32 --linearize $(LINEARIZED) --linearize-form $(FORM) \
		--calibration $(TRAINING_TEXT)
	$(TRAINER) scripts/distill.py $(MODEL) $(LINEAR).start.plan $(LINEAR).safetensors --text $(TRAINING_TEXT) \
		--lengths 1024 $(DISTILL_OPTIONS)

# Trains masks for the model as it is, which --space takes: first its own answers, then steps on them. On a GPU, in ten minutes:
# CORPUS_OPTIONS="--count 12000 --own 6000 --tokens 160 --batch 512 --device cuda" SPACE_OPTIONS="--batch 32 --anchors 64 --device cuda
# --steps 100000 --seconds 400"; on 2 cores in two hours: CORPUS_OPTIONS="--count 1500 --own 500" SPACE_OPTIONS="--steps 700".
train-space: $(MODEL) $(TRAINING_TEXT) $(TRAINER)
	$(TRAINER) scripts/space/corpus.py $(MODEL) $(dir $(SPACE))corpus.jsonl --prose $(TRAINING_TEXT) $(CORPUS_OPTIONS)
	$(TRAINER) scripts/train_space.py $(MODEL) $(dir $(SPACE))corpus.jsonl $(SPACE) $(SPACE_OPTIONS)

setup:
	@scripts/setup.sh

model: $(MODEL)

eval-text: $(EVAL_TEXT)

clean:
	rm -rf .build .build-* .venv-* $(PLAN)

# The recipes behind FORCE look for themselves whether there is anything to do; make then goes by the file's time.
$(MODEL): FORCE | setup
	@scripts/fetch_model.sh $@

$(EVAL_TEXT): FORCE | setup
	@python3 scripts/fetch_prose.py eval $@

$(TRAINING_TEXT): FORCE | setup
	@python3 scripts/fetch_prose.py training $@

$(TRAINER): | setup
	@python3 -m venv .venv-train
	@.venv-train/bin/pip install --quiet --disable-pip-version-check torch==2.15.0 numpy gguf safetensors tokenizers

# Swift's libraries inside the program: it starts sooner, takes less memory, and runs where there is no Swift.
$(LATHE): FORCE | setup
	@scripts/drop_stale_modules.sh .build
	@swift build -c release --static-swift-stdlib $(RELOCATIONS) --product lathe >&2

$(RUNNER) $(RUNNER)-static: FORCE | setup
	@scripts/build_runner.sh $@

$(PLAN): $(MODEL) $(LATHE) $(MASKS)
	@$(LATHE) compile $(MODEL) -o $@ --space $(MASKS)

FORCE:
