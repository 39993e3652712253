# Every target sets itself up first; without a change that takes no time.
PYTHON ?= python3
CONFIG ?= conf/demo.yaml
RUN := .venv/bin/python
SPARK_SUBMIT := .venv/bin/spark-submit
# One thread a process: Spark's workers and the tests fill the cores themselves.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false
# Containers set it; then every process would compile torch and transformers anew, which takes longer than importing them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help set-up demo test test-slow test-faults test-gpu sql train evaluate bench bench-gpu lint format bundle clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

set-up: ## make .venv: the pinned packages, Delta's jars, Spark's settings, a Java where there is none
	@$(PYTHON) set_up.py

demo: set-up ## run every job of conf/demo.yaml: prompts to shards; CONFIG=conf/x.yaml for another recipe
	@$(SPARK_SUBMIT) jobs/run_recipe.py --config $(CONFIG)

sql: set-up ## ask the lakehouse in SQL, without Spark: a prompt, or one answer with QUERY="select * from funnel"
	@$(RUN) jobs/sql.py --config $(CONFIG) $(if $(QUERY),--query "$$QUERY")

# Planning a query keeps one core busy: two workers, each with its own Spark, take little more than half the time of one.
test: set-up ## run the tests that CI runs; ARGS="-k x" for some of them
	@$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not gpu and not faults" $(ARGS)

test-slow: set-up ## run the tests that take minutes
	@$(RUN) -m pytest -m "slow and not gpu and not faults" $(ARGS)

test-faults: set-up ## run the tests that kill processes and fill disks
	@$(RUN) -m pytest -m "faults and not gpu" $(ARGS)

test-gpu: set-up ## run the tests that need an NVIDIA GPU (two minutes)
	@$(RUN) -m pytest -m gpu $(ARGS)

bench: set-up ## measure against named baselines (more than half an hour; nothing else may run)
	@$(RUN) -m bench

bench-gpu: set-up ## measure rendering, scoring and judging on an NVIDIA GPU of 40 GiB or more (five minutes)
	@$(RUN) -m bench.accelerator

lint: set-up ## check style and types
	@$(RUN) -m ruff check . && $(RUN) -m ruff format --check . && $(RUN) -m mypy

format: set-up ## rewrite the code in the one style
	@$(RUN) -m ruff check --fix . && $(RUN) -m ruff format .

bundle: set-up ## check databricks.yml and its job, offline
	@$(RUN) -m pytest tests/test_bundle.py $(ARGS)

# The generator learns in the latents of the VAE.
TRAINED := vae $(filter-out vae,$(patsubst demo/train_%.py,%,$(sort $(wildcard demo/train_*.py))))
train: set-up ## train the demo's models anew, one script after the other (hours)
	@set -e; for model in $(TRAINED); do echo "train_$$model"; $(RUN) -m demo.train_$$model; done

evaluate: set-up ## measure the demo's models on held-out scenes
	@$(RUN) -m demo.evaluate

clean: ## remove the demo's lakehouse and shards, and the logs (no other recipe's data, not .venv)
	rm -rf lakehouse/demo shards/demo logs
