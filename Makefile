PYTHON ?= python3
PROFILE ?= quick
RUNTIME ?= auto
RESULTS ?= results
PORT ?= 8080
HARNESS = $(PYTHON) loadtests/bootstrap.py -m loadtests
TESTS = $(PYTHON) loadtests/bootstrap.py --tests

.PHONY: help bench test ui serve report lint lock

help: ## print this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10
	@echo
	@echo 'make bench [PROFILE=smoke|quick|standard|http-load] [SERVICES="a b"] [RUNTIME=auto|local|compose] [RESULTS=dir]'
	@echo 'make ui [SERVICES="a b"] [RUNTIME=…]     make serve SERVICE=name [PORT=8080]     make test [ARGS="-k name"]'
	@echo 'Every service takes WORKERS, CONCURRENCY and BACKEND_TIMEOUT_S from the environment.'

bench: ## compare the services, leave a report in results/
	@$(HARNESS) bench --profile "$(PROFILE)" --services "$(SERVICES)" --runtime "$(RUNTIME)" --results "$(RESULTS)"

test: ## run all tests
	@$(TESTS) -m pytest $(ARGS)

ui: ## everything up, with Locust's web UI on 127.0.0.1:8089
	@$(HARNESS) ui --services "$(SERVICES)" --runtime "$(RUNTIME)"

serve: ## run one service and its backend: make serve SERVICE=sanic
	@$(HARNESS) serve --service "$(SERVICE)" --port "$(PORT)"

report: ## rebuild the reports, the index and the README's result from the run.json files
	@$(HARNESS) report --results "$(RESULTS)"

lint: ## ruff and a strict type check
	@$(TESTS) -m ruff check .
	@$(TESTS) -m ruff format --check .
	@$(TESTS) -m mypy

lock: ## write the locks anew, with the newest versions
	@$(HARNESS) lock
