PYTHON ?= python3
PROFILE ?= quick
RUNTIME ?= auto
RESULTS ?= results
PORT ?= 8080
CORES ?= 1
HARNESS = $(PYTHON) loadtests/bootstrap.py -m loadtests
LADDER = $(PYTHON) loadtests/bootstrap.py -m loadtests.ladder
ADVISE = $(PYTHON) loadtests/bootstrap.py -m loadtests.advise
COMPARE = $(PYTHON) loadtests/bootstrap.py -m loadtests.compare
DIFF = $(PYTHON) loadtests/bootstrap.py -m loadtests.diff
TESTS = $(PYTHON) loadtests/bootstrap.py --tests

.PHONY: help bench test ui serve ladder diff compare advise report lint lock

help: ## print this
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10
	@echo
	@echo 'make bench [PROFILE=name] [SERVICES="a b"] [RUNTIME=auto|local|compose] [RESULTS=dir]'
	@echo '  profiles: smoke quick standard clients http-load composite interference chat pollers file open stall capacity held cost map everything'
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

ladder: ## climb from a blocking socket to asyncio, a client a rung; leave a report
	@$(LADDER) --results "$(RESULTS)"

diff: ## what two services differ in: make diff A=fastapi B=fastapi-httpx
	@$(DIFF) "$(A)" "$(B)"

compare: ## two runs of results/ side by side: make compare A=… B=… [FAIL_ABOVE=5%] [FORCE=1]
	@$(COMPARE) --results "$(RESULTS)" --fail-above "$(FAIL_ABOVE)" --force "$(FORCE)" "$(A)" "$(B)"

advise: ## what should I use? make advise DELAY=0.2 RATE=300 [MEMORY=512M] [CORES=1]
	@$(ADVISE) --delay "$(DELAY)" --rate "$(RATE)" --memory "$(MEMORY)" --cores "$(CORES)" --results "$(RESULTS)"

report: ## rebuild the reports, the index and the README's result from the run.json files
	@$(HARNESS) report --results "$(RESULTS)"

lint: ## ruff and a strict type check
	@$(TESTS) -m ruff check .
	@$(TESTS) -m ruff format --check .
	@$(TESTS) -m mypy

lock: ## pin the newest of all packages, or what one service lacks: make lock [SERVICE=mine]
	@$(HARNESS) lock --service "$(SERVICE)"
