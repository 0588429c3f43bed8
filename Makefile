# Every target sets up .venv by itself. "make" alone lists the targets.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
# a python3.7 on the path may be pyenv's, which runs where that version is chosen; its own folder always does
PYTHON37 = $(shell for p in python3.7 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.7.*/bin/python; do \
	$$p -c '' 2>/dev/null && echo $$p && break; done)
ARTICLES := $(patsubst %/train.py,%,$(wildcard */train.py))
MORE := $(filter-out more/__init__,$(patsubst %.py,%,$(wildcard more/*.py)))
TRICKS := $(filter-out %/__init__,$(patsubst %.py,%,$(wildcard more/keras_tricks/*.py)))
BERT := $(addprefix more/bert/,gpt2_ml question_answer drop_token)
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help demo test test-jax test-torch test-export test-demo test-docs test-slow docs lint bench stress clean more $(ARTICLES) $(MORE) $(BERT) $(TRICKS)

help:
	@echo "make ARTICLE      train an article's model and draw its pictures; ARTICLE is one of: $(ARTICLES)"
	@echo '                  (ARGS="--epochs 5 --model conv" passes options; see python ARTICLE/train.py --help)'
	@echo "make more/NAME    a further article, in ten minutes at most: $(patsubst more/%,%,$(MORE) $(BERT)); make more: all of them"
	@echo "make more/keras_tricks/NAME    a trick with Keras, in seconds to minutes: $(notdir $(TRICKS))"
	@echo "make demo         a page in the browser to try every article in; installs Gradio first"
	@echo "make test         check style and run the tests"
	@echo "make test-jax     what runs on JAX: the layers against their oracles, two processes against one"
	@echo "make test-torch   what runs on PyTorch: the layers; installs torch first"
	@echo "make test-export  a tagger as ONNX, LiteRT and SavedModel beside the Keras model; installs converters first"
	@echo "make test-demo    the page in a browser; installs Playwright first, and needs Chromium"
	@echo "make test-docs    builds the site of make docs and opens some of its pages"
	@echo "make test-slow    run the long checks too"
	@echo "make docs         formulas beside the code that computes them, in Chinese and English: site/index.html"
	@echo "make bench        measure speed beside what one would run instead"
	@echo "make stress       kill, starve and attack every script for hours; counts what happened"
	@echo "make clean        remove .venv; runs/ stays"

$(filter-out nl2sql,$(ARTICLES)): .venv/run
	.venv/bin/python $@/train.py $(ARGS)

nl2sql: .venv/run        # a BERT first, unless one is named: without it the parser begins with random weights
	$(if $(filter --bert --bert=% --smoke --resume --resume=% --help,$(ARGS)),,.venv/bin/python nl2sql/pretrain.py \
		$(shell grep -oE -- '--out[ =][^ ]+' <<< '$(ARGS)'))
	.venv/bin/python nl2sql/train.py $(ARGS)

more: $(MORE) $(BERT) $(TRICKS)

$(MORE) $(BERT) $(TRICKS): .venv/run
	.venv/bin/python $@.py $(ARGS)

demo: .venv/demo
	.venv/bin/python demo/page.py $(ARGS)

test: .venv/dev lint
	.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

test-jax: .venv/dev
test-torch: .venv/dev .venv/torch
test-jax test-torch: test-%:
	.venv/bin/python -m pytest -n auto --maxprocesses 4 -m "$* and not slow" $(ARGS)

test-export: .venv/dev .venv/export
	.venv/bin/python -m pytest -m export tests/test_export.py $(ARGS)

test-demo: .venv/dev .venv/demo
	.venv/bin/python -m pip install --quiet playwright==1.65.2 nbclient==0.11.0 ipykernel==7.4.0
	.venv/bin/python -m pytest -m demo tests/demo $(ARGS)

test-docs: .venv/dev .venv/docs
	.venv/bin/python -m pytest -m docs tests/test_site.py $(ARGS)

docs: .venv/docs
	.venv/bin/python -m mkdocs build --strict -f docs/site/mkdocs.yml
	.venv/bin/python -m mkdocs build --strict -f docs/site/mkdocs.en.yml
	@echo "open site/index.html; its search needs a server: python3 -m http.server -d site"

test-slow: .venv/dev
	.venv/bin/python -m pytest -m "slow or not slow" $(ARGS)

lint: .venv/dev
	.venv/bin/ruff check .

bench: .venv/bench
	@[ -n "$(PYTHON37)" ] && $(MAKE) .venv-keras2/done \
		|| echo "note: the original formulation needs Python 3.7 for Keras 2.2.4; measuring without it"
	.venv/bin/python benchmarks/run.py $(ARGS)

stress: .venv/dev
	@.venv/bin/python -c 'import atheris' 2>/dev/null || .venv/bin/python -m pip install --quiet atheris \
		|| echo "note: no atheris for this Python; the readers are fuzzed without it"
	.venv/bin/python tests/stress/run.py $(ARGS)

clean:
	rm -rf .venv .venv-keras2

# Each stamp stands for one requirements file installed; bert4keras' own requirements would undo the others.
# A .venv of before 2026-11 has opencc-python-reimplemented, whose files lie where those of opencc belong.
.venv/run: requirements.txt
	@[ -n "$(PYTHON)" ] || { echo "error: Python 3.11, 3.12 or 3.13 expected, none found. Install one, or make PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv .venv
	@! .venv/bin/python -m pip show --quiet opencc-python-reimplemented 2>/dev/null \
		|| .venv/bin/python -m pip uninstall --quiet --yes opencc-python-reimplemented opencc
	.venv/bin/python -m pip install --quiet -r requirements.txt
	.venv/bin/python -m pip install --quiet --no-deps bert4keras==0.11.5
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	.venv/bin/python -m pip install --quiet -r requirements-dev.txt
	@touch $@

.venv/torch: .venv/run requirements-torch.txt
	.venv/bin/python -m pip install --quiet -r requirements-torch.txt
	@touch $@

.venv/export: .venv/run requirements-export.txt
	.venv/bin/python -m pip install --quiet -r requirements-export.txt
	@touch $@

.venv/docs: .venv/run requirements-docs.txt
	.venv/bin/python -m pip install --quiet -r requirements-docs.txt
	@touch $@

.venv/demo: .venv/run requirements-demo.txt
	.venv/bin/python -m pip install --quiet -r requirements-demo.txt
	@touch $@

.venv/bench: .venv/run requirements-bench.txt requirements-torch.txt
	.venv/bin/python -m pip install --quiet -r requirements-bench.txt
	@touch $@

.venv-keras2/done: requirements-bench.txt
	$(PYTHON37) -m venv .venv-keras2
	.venv-keras2/bin/python -m pip install --quiet tensorflow==1.15.5 keras==2.2.4 'h5py<3' 'protobuf<3.21' 'numpy<1.19'
	@touch $@
