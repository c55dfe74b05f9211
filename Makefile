PYTHON ?= python3
PROFILE ?= quick
RUNTIME ?= auto
RESULTS ?= results
CORES ?= 1
LOAD_PROCESSES ?= 1
LOAD_PORT ?= 5557
WAITS = $(PYTHON) -I loadtests/bootstrap.py -m loadtests
TESTS = $(PYTHON) -I loadtests/bootstrap.py --tests

.PHONY: help bench test runs open ui serve load ladder diff compare advise report site lint lock

help: ## print this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10
	@echo
	@echo 'make bench [PROFILE=name] [SERVICES="a b"] [RUNTIME=auto|local|compose] [PYTHONS="3.13 3.14t"] [LOAD_PROCESSES=1] [TLS=1] [RESULTS=dir] [FRESH=1]'
	@echo '  profiles: smoke quick standard clients churn payload http-load composite interference gil chat pollers file open metronome stall capacity held cost map tail pool tokens cores faults overload publish everything'
	@echo '  on machines of their own: SERVICE_HOST=ssh://… [BACKEND_HOST=ssh://…] [LOAD_WORKERS=2] (docs/beyond-one-machine.md)'
	@echo 'make ui [SERVICES="a b"] [RUNTIME=…] [PORT=8089]     make serve SERVICE=name [PORT=8080]     make test [ARGS="-k name"]'
	@echo 'Every service takes WORKERS, CONCURRENCY and BACKEND_TIMEOUT_S from the environment.'

bench: ## compare the services, leave a report in results/
	@$(WAITS) bench --profile "$(PROFILE)" --services "$(SERVICES)" --runtime "$(RUNTIME)" --pythons "$(PYTHONS)" --load-processes "$(LOAD_PROCESSES)" --load-workers "$(LOAD_WORKERS)" --load-port "$(LOAD_PORT)" --results "$(RESULTS)" $(if $(filter-out 0,$(TLS)),--tls) $(if $(filter-out 0,$(FRESH)),--fresh)

test: ## run all tests
	@$(TESTS) -m pytest $(ARGS)

ui: ## load services live in the browser: Locust's web UI on 127.0.0.1:8089, and /live there
	@$(WAITS) ui --services "$(SERVICES)" --runtime "$(RUNTIME)" --port "$(or $(PORT),8089)"

serve: ## run one service and its backend: make serve SERVICE=sanic
	@$(WAITS) serve "$(SERVICE)" --port "$(or $(PORT),8080)"

load: ## make load for a bench of another machine: make load MASTER=10.0.0.3 [LOAD_PROCESSES=1]
	@$(WAITS) load "$(MASTER)" --processes "$(LOAD_PROCESSES)"

ladder: ## climb from a blocking socket to asyncio, a client a rung; leave a report
	@$(WAITS) ladder --results "$(RESULTS)"

diff: ## what two services differ in: make diff A=fastapi B=fastapi-httpx
	@$(WAITS) diff "$(A)" "$(B)"

runs: ## the runs there are, and what each can be called
	@$(WAITS) runs --results "$(RESULTS)"

open: ## the report of a run in a browser: make open [RUN=latest~1]
	@$(WAITS) open $(if $(RUN),"$(RUN)") --results "$(RESULTS)"

compare: ## two runs of results/, or two git revisions measured now: make compare A=latest~1 B=latest [FAIL_ABOVE=5%] [FORMAT=md|json|github] [ALL=1] [FORCE=1]
	@$(WAITS) compare --format "$(or $(FORMAT),text)" $(if $(filter-out 0,$(ALL)),--all) --results "$(RESULTS)" --fail-above "$(FAIL_ABOVE)" $(if $(filter-out 0,$(FORCE)),--force) --profile "$(PROFILE)" --services "$(SERVICES)" --runtime "$(RUNTIME)" --rounds "$(ROUNDS)" "$(A)" "$(B)"

advise: ## what should I use? make advise DELAY=0.2 RATE=300 [MEMORY=512M] [CORES=1] [P99=0.25] [HAVE=flask-threads] [ALL=1] [FORCE=1]
	@$(WAITS) advise $(if $(filter-out 0,$(ALL)),--all) --have "$(HAVE)" $(if $(filter-out 0,$(FORCE)),--force) --delay "$(DELAY)" --rate "$(RATE)" --memory "$(MEMORY)" --cores "$(CORES)" --p99 "$(P99)" --results "$(RESULTS)"

report: ## rebuild all reports and the README from the run.json files [REJUDGE=1: by today's rules]
	@$(WAITS) report --results "$(RESULTS)" $(if $(filter-out 0,$(REJUDGE)),--rejudge)

site: ## all results as pages that need no server, in site/
	@$(WAITS) site --results "$(RESULTS)"

lint: ## ruff and a strict type check
	@$(TESTS) -m ruff check .
	@$(TESTS) -m ruff format --check .
	@$(TESTS) -m mypy

lock: ## pin the newest of all packages, or what one service lacks: make lock [SERVICE=mine]
	@$(WAITS) lock "$(SERVICE)"
