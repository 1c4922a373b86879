# Two commands do everything on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
RUN := scripts/run
# Tests spend much of their time waiting: four workers keep two cores busy. Three begin with clusters of their own (tests/sharing.py).
WORKERS ?= 4
SIDE_BY_SIDE := -n $(WORKERS)
# The types of files that have not changed since the last check of any checkout are known: 3 s in place of 18.
TYPES := MYPY_CACHE_DIR=$${RUNWATCHMAN_CACHE:-$$HOME/.cache/runwatchman}/mypy
PROSE := controller docs README.md CHANGELOG.md CONTRIBUTING.md AGENTS.md scripts tests

.PHONY: help setup demo test test-unit test-api test-kind test-chart test-kind-short test-matrix release-check chaos failover shards budgets branches model simulation-check fuzz bench latency scale quota startup neighbours cli image docs digests check fmt generate clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install uv and the locked Python environment into .venv
	@$(RUN) true

demo: ## Bring up a cluster, run the operator, apply the examples, and show the result
	@$(RUN) python -m tests.demo

test: ## All tests that this machine can run, unit to kind
	@$(RUN) pytest $(SIDE_BY_SIDE) --durations=15 $(PYTEST_ARGS)

test-unit: ## Tests that need no cluster (about four minutes on two cores)
	@$(RUN) pytest tests/unit $(SIDE_BY_SIDE) $(PYTEST_ARGS)

test-api: ## Tests that need a real API server but no kubelet
	@$(RUN) pytest tests/api $(SIDE_BY_SIDE) $(PYTEST_ARGS)

test-kind: ## Test the chart on kind, end to end: real kubelets and containers
	@$(RUN) pytest tests/kind $(PYTEST_ARGS)

test-chart: ## Test the chart, its schema and its templates
	@$(RUN) pytest tests/chart $(PYTEST_ARGS)

test-kind-short: ## A part of test-kind that any version of Kubernetes must pass: the cluster, Runs, a lost node
	@$(RUN) pytest tests/kind/test_cluster.py tests/kind/test_runs.py tests/kind/test_lost_node.py $(PYTEST_ARGS)

test-matrix: ## All supported versions of Kubernetes: test-api on each, test-kind-short on the oldest and the newest
	@set -e; versions="$(RUN) python -m tests.cluster versions"; \
	for version in $$($$versions); do echo "==> Kubernetes $$version"; RUNWATCHMAN_KUBERNETES=$$version $(MAKE) test-api; done; \
	for version in $$($$versions --ends); do echo "==> Kubernetes $$version on kind"; RUNWATCHMAN_KUBERNETES=$$version $(MAKE) test-kind-short; done

release-check: ## Make a release in a registry of this machine, verify it, and install it from there on kind
	@$(RUN) pytest tests/kind/test_release.py $(PYTEST_ARGS)

chaos: ## Kill the operator a hundred times on kind, with every store
	@$(RUN) python -m tests.chaos $(CHAOS_ARGS)

failover: ## Kill, freeze and cut off the leader of two operators on kind, twenty times each
	@$(RUN) python -m tests.failover $(FAILOVER_ARGS)

shards: ## Kill, freeze and outnumber replicas that share the Runs, for five waves
	@$(RUN) python -m tests.sharding $(SHARDS_ARGS)

budgets: ## Use up a provider's budget with fifty Runs while the operator is killed ten times; BUDGETS_ARGS="--runs 8 --kills 3"
	@$(RUN) python -m tests.spent_budget $(BUDGETS_ARGS)

branches: ## Play the story of a verified branch thirty times while the operator is killed; BRANCHES_ARGS="--times 3 --cli claude"
	@$(RUN) python -m tests.verified_branch $(BRANCHES_ARGS)

model: ## Check the shipped decisions in every state of a model cluster, then check mutants of them
	@$(RUN) python -m tests.model $(MODEL_ARGS)
	@$(RUN) python -m tests.model --mutants $(MODEL_ARGS)

simulation-check: ## Play a scenario for real on an API server, simulate it, and compare; SIMULATION_ARGS="--runs 50"
	@$(RUN) python -m tests.simulation_check $(SIMULATION_ARGS)

fuzz: ## Send a hundred thousand hostile answers through the gate, compare with an independent validator, test mutants of the gate
	@$(RUN) python -m tests.fuzz $(FUZZ_ARGS)

bench: ## Measure controllers side by side: the Job controller, a naive kopf operator, the bare protocol, ours with each store
	@$(RUN) python -m tests.bench $(BENCH_ARGS)

latency: ## Measure the time to a started container in an open loop: bare pods, Jobs, Runs; LATENCY_ARGS="--cluster kind"
	@$(RUN) python -m tests.bench.openloop $(LATENCY_ARGS)

scale: ## Measure one operator with ten thousand Runs: start, idle, events, reports, a storm; SCALE_ARGS="--runs 1000"
	@$(RUN) python -m tests.bench.scale $(SCALE_ARGS)

quota: ## Exhaust a provider's quota under 400 Runs, and count what that costs; QUOTA_ARGS="--without" leaves the Provider out
	@$(RUN) python -m tests.bench.shared_quota $(QUOTA_ARGS)

startup: ## Measure the start of `kubectl rw`, as installed; STARTUP_ARGS=dist/kubectl-rw-linux-amd64 is the single file
	@$(RUN) python -m tests.bench.cli $(STARTUP_ARGS)

neighbours: ## Measure a tenant's latency while another has a hundred times its load; NEIGHBOURS_ARGS="--factor 10"
	@$(RUN) python -m tests.bench.neighbours $(NEIGHBOURS_ARGS)

cli: ## Build `kubectl rw` as one file for each platform, and the manifest for krew, into dist/
	@$(RUN) python scripts/cli $(CLI_ARGS)

image: ## Build the images that the tests run, under localhost/runwatchman/: runwatchman:dev, and those of images/
	@$(RUN) python -m tests.image
	@$(RUN) python -m tests.recipe_image

docs: ## Build the documentation as a site, into artifacts/site
	@NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict

digests: ## Prove that the golden snapshots of BASE, a revision, still lead to the recorded decisions
	@$(RUN) python scripts/digests.py $(BASE)

check: ## Lint, format, types, layers, generated files, prose
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(TYPES) $(RUN) mypy
	@$(RUN) lint-imports
	@$(RUN) runwatchman crds --check crds
	@$(RUN) python scripts/chart.py --check
	@$(RUN) python scripts/reference.py --check
	@$(RUN) python -m tests.bench.page --check
	@$(RUN) python scripts/prose_check.py $(PROSE)

fmt: ## Format and fix what can be fixed
	@$(RUN) ruff check --fix .
	@$(RUN) ruff format .

generate: ## Write the generated files (crds/, the chart's copies, docs/api.md)
	@$(RUN) runwatchman crds --output crds
	@$(RUN) python scripts/chart.py
	@$(RUN) python scripts/reference.py
	@$(RUN) python -m tests.bench.page

clean: ## Remove the environment and the leftovers of tests; the build cache stays (scripts/run python -m tests.cluster purge)
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache artifacts
