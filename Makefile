# `make help` lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help up down status drift verify backup restore-point restore restore-drill rotate odoo-nudge rebuild-silver images-bundle ssh psql tunnel logs env preview test test-fast lint unit sql molecule integration e2e bench lock

PHASE ?= 4
STACK ?= sandbox
FORMAT ?= table
NAME ?= rerun
FOLDER ?= images
TYPE ?= incr

VENV := .cache/venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

help: ## list these commands
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements/bootstrap.txt requirements/dev.txt tools/venv
	@tools/venv $(VENV)
	@touch $@

up: $(READY) ## bring the platform up, or repair what drifted: PHASE=1..4 (default 4)
	@$(PY) -m ops up --stack $(STACK) --phase $(PHASE)

down: $(READY) ## remove the sandbox: droplet, volume, services, network, state
	@$(PY) -m ops down --stack $(STACK)

status: $(READY) ## components with version, address and health; FORMAT=json for machines
	@$(PY) -m ops status --stack $(STACK) --format $(FORMAT)

drift: $(READY) ## show what differs from the declared state; changes nothing
	@$(PY) -m ops drift --stack $(STACK)

verify: $(READY) ## ask the live server, and look at it from outside
	@$(PY) -m ops verify --stack $(STACK)

backup: $(READY) ## a backup now: TYPE=full, diff or incr (the default)
	@$(PY) -m ops backup --stack $(STACK) --type $(TYPE)

restore-point: $(READY) ## give this moment a name to restore to: POINT=before-upgrade
	@$(PY) -m ops restore-point --stack $(STACK) "$(POINT)"

restore: $(READY) ## the database as it was: TARGET_TIME=, TARGET_LSN= or TARGET_NAME=; the latest archived state without one
	@$(PY) -m ops restore --stack $(STACK) --time "$(TARGET_TIME)" --lsn "$(TARGET_LSN)" --name "$(TARGET_NAME)" --confirm "$(CONFIRM)"

restore-drill: $(READY) ## rehearse a restore beside the live platform: TARGET_NAME= for a certain moment, random without
	@$(PY) -m ops restore-drill --stack $(STACK) --target "$(TARGET_NAME)"

rotate: $(READY) ## a new secret, everywhere: SECRET=db_password|jwt|service_role|NAME; FINISH=1 ends an overlap
	@$(PY) -m ops rotate --stack $(STACK) $(if $(FINISH),--finish) -- $(or $(SECRET),none)

odoo-nudge: $(READY) ## Odoo tells at once that something changed: SHOW=1 for what it would do, REMOVE=1 to take it away, WEBHOOK= for another address
	@$(PY) -m ops odoo-nudge --stack $(STACK) --webhook "$(WEBHOOK)" $(if $(SHOW),--show) $(if $(REMOVE),--remove)

rebuild-silver: $(READY) ## Odoo's data in silver and gold made again from bronze, and compared with what they were
	@$(PY) -m ops rebuild-silver --stack $(STACK)

images-bundle: $(READY) ## archives of every image, for platforms that reach no registry: FOLDER=images
	@$(PY) -m ops images-bundle "$(FOLDER)"

ssh: $(READY) ## a shell on the server
	@$(PY) -m ops ssh --stack $(STACK)

psql: $(READY) ## psql on the server's database as postgres
	@$(PY) -m ops psql --stack $(STACK)

tunnel: $(READY) ## a local port that leads to a component of the server: COMPONENT=n8n
	@$(PY) -m ops tunnel --stack $(STACK) $(COMPONENT)

logs: $(READY) ## follow the server's journal: COMPONENT=postgresql for one
	@$(PY) -m ops logs --stack $(STACK) $(COMPONENT)

env: $(READY) ## shell exports for typing pulumi commands by hand: eval "$$(make env)"
	@$(PY) -m ops env

preview: $(READY) ## what `make up` would do to the infrastructure
	@$(PY) -m ops preview --stack $(STACK) --phase $(PHASE)

test: $(READY) ## everything: lint, unit, SQL, Molecule, sandbox end to end
	@tools/test-all

test-fast: lint unit sql ## lint, unit and SQL tests, under three minutes

lint: $(READY) ## ruff, mypy, ansible-lint, yamllint, sqlfluff
	@tools/lint

unit: $(READY) ## tests that need nothing but Python
	@$(PY) -m pytest -q -n 2 tests/unit

sql: $(READY) ## migrations and pgTAP on a throw-away cluster
	@$(PY) -m sandbox prepare --only droplet
	@$(PY) -m pytest -q tests/sql

molecule: $(READY) ## role tests in droplets: SCENARIO=host for one
	@$(PY) -m sandbox prepare --only droplet --only archives
	@tools/molecule $(SCENARIO)

integration: $(READY) ## the sandbox's cloud and the runner against the real engine
	@$(PY) -m sandbox prepare
	@$(PY) -m pytest -q tests/integration

e2e: $(READY) ## the running platform, from outside
	@$(PY) -m pytest -q tests/e2e

bench: $(READY) ## measure: NAME=rerun, up, rls, restore, pool, api, medallion or odoo; writes benchmarks/results/NAME.json
	@$(PY) -m benchmarks.$(NAME)

lock: $(READY) ## renew the lock files from requirements/*.in
	@tools/lock
