# make help lists the targets.
GO ?= go
SOURCE ?= mariadb
SOAK_MINUTES ?= 30
# The race detector needs a C compiler; without one the tests run as they are.
RACE ?= $(if $(shell command -v $${CC:-gcc}),-race)
TESTFLAGS ?=
BENCHFLAGS ?=

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 12

build: ## build bin/godwit, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/godwit ./cmd/godwit

demo: ## move a live shop to PostgreSQL on this machine (SOURCE=mysql for MySQL); about a minute
	scripts/servers.sh apt $(if $(filter mysql,$(SOURCE)),mysql-9)
	SOURCE=$(SOURCE) $(GO) run ./test/demo

test: ## install the servers that are missing, then run all tests
	scripts/servers.sh
	$(GO) test $(RACE) -timeout 14m $(TESTFLAGS) ./...

lint: ## gofmt, go vet, staticcheck, govulncheck
	scripts/lint.sh

soak: ## random schemas, writes and crashes with new seeds for SOAK_MINUTES
	scripts/servers.sh
	SOAK_MINUTES=$(SOAK_MINUTES) $(GO) test -count=1 -timeout $(shell expr $(SOAK_MINUTES) + 15)m -v -run 'Soak|Random|Crash' ./test/journeys

bench: ## copy beside pgloader and the hand-made pipe (BENCHFLAGS=-full for the long one)
	scripts/servers.sh apt
	$(GO) run ./bench $(BENCHFLAGS)

.PHONY: help build demo test lint soak bench
