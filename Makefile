# The front door. `make demo` and `make test` set everything up by themselves; see README.md.

# The Python to build on: 3.11 or newer, with its venv module.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
UV_READY := .uv/.ready
# The environment of a deployment: what is served, and nothing to test or build with.
PRODUCTION := .production
# Locked and hashed; prints neither the addresses of an index nor the command line that made it.
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
  --overrides overrides.txt
# How many test processes run at once: one more than two processors, since each waits a third of its time for PostgreSQL or a browser. Each
# begins with its share of the files, so that what the tests of one share is made once.
WORKERS ?= 3
TESTS := $(VENV)/bin/pytest -n $(WORKERS) --dist worksteal

# uv does not read pip's settings. Where a machine reaches its packages through pip's settings only, hand them over; an
# empty value means that uv uses its own default. The machine's certificates are trusted where it has any.
pip_setting = $$(.uv/bin/pip config get :env:.$(1) 2>/dev/null || .uv/bin/pip config get global.$(1) 2>/dev/null || true)
CERTIFICATES := $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem)
UV = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$(call pip_setting,index-url)}" \
     $(if $(CERTIFICATES),SSL_CERT_FILE="$${SSL_CERT_FILE:-$(firstword $(CERTIFICATES))}" UV_SYSTEM_CERTS=true) \
     UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy .uv/bin/uv --no-config

# Bytecode is kept, whatever a machine's own setting: without it each process compiles all that it imports, three seconds long.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo dev test test-slow test-all test-one check hook references client bench pictures soak test-cluster codegen migration lock format production wheel sbom clean
.DELETE_ON_ERROR:

## demo: an embedded PostgreSQL, a demo program, and the server (ALMONER_PORT, ALMONER_HOME, ALMONER_PATIENTS)
demo: $(READY)
	@exec $(VENV)/bin/almoner demo

## dev: the demo with 40 patients for developers: code and templates are loaded anew when they change, SQL is logged with its time
dev: $(READY)
	@ALMONER_PATIENTS="$${ALMONER_PATIENTS:-40}" ALMONER_LOG_FORMAT="$${ALMONER_LOG_FORMAT:-text}" $(VENV)/bin/almoner demo --reload

## test: all but what is slow and what `make check` asks, on the embedded PostgreSQL or on ALMONER_DATABASE_URL
test: $(READY)
	$(TESTS) -m "not slow and not house"

## test-slow: the rest: what is slow, every property with all of its examples, every screen of what is looked at
test-slow: $(READY)
	$(TESTS) -m "slow or hypothesis or screens" --timeout=1800 --hypothesis-profile=ci

## test-all: every test, every property with all of its examples
test-all: $(READY)
	$(TESTS) --hypothesis-profile=ci

## test-one T=tests/test_names.py: one file or test (T=tests/x.py::name) in one process, to the first that fails
test-one: $(READY)
	@test -n "$(T)" || { echo 'Say which: make test-one T=tests/test_names.py, or T="-k words_of_its_name"' >&2; exit 2; }
	$(VENV)/bin/pytest -n 0 -x $(T)

## hook: have git run `make check` before each push (HOOK=pre-commit: before each commit)
HOOK ?= pre-push
hook:
	@folder=$$(git rev-parse --git-path hooks) && mkdir -p "$$folder" && \
	  ours=$$(printf '#!/bin/sh\nexec make check\n') && \
	  { test ! -e "$$folder/$(HOOK)" || test "$$(cat "$$folder/$(HOOK)")" = "$$ours" || \
	    { echo "There is another $$folder/$(HOOK) already: it stays as it is." >&2; exit 1; }; } && \
	  echo "$$ours" > "$$folder/$(HOOK)" && chmod +x "$$folder/$(HOOK)" && \
	  echo "git runs make check by $$folder/$(HOOK) from now on; git push --no-verify passes it by, and deleting it ends it."

## check: style, types, and what a new page, table or module owes to the house: the tests that are marked so
check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest -n 2 --dist loadfile -q -m "house and not slow" $$(grep -rl --include='test_*.py' 'pytest\.mark\.house' tests)

## references: what is generated in docs/, made anew: the reference, and the picture and sizes in docs/architecture.md
references: $(READY)
	$(VENV)/bin/almoner docs write
	$(VENV)/bin/python -m tools.architecture

## client: the client of the API as dist/almoner_client-*.whl, with what is generated of it made anew
client: $(READY)
	@$(VENV)/bin/python -m tools.client
	@rm -f dist/almoner_client-*.whl
	@cd client && ../$(VENV)/bin/hatchling build --target wheel --directory ../dist >/dev/null 2>&1
	@ls dist/almoner_client-*.whl

## format: put the code in order
format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

## bench: speed against pgbench and two ordinary applications (docs/benchmarks.md)
bench: $(READY) bench/.venv/.ready
	$(VENV)/bin/python -m bench.run

## pictures: the pictures of the main pages in docs/pictures, taken by the tests
pictures: $(READY)
	ALMONER_PICTURES=docs/pictures $(VENV)/bin/pytest tests/pages/test_every_page.py

## soak: slow clients for two minutes; notifiers and receivers fail for a thousand seeds, workers, receivers, copies, the server and PostgreSQL are killed for 500 while 300 rows a second are changed, an environment moves 200 times, and nothing is lost
soak: $(READY)
	ALMONER_TEST_ATTACK_SECONDS=120 ALMONER_TEST_ATTACKERS=198 $(VENV)/bin/pytest -n 0 tests/operations/test_slow_clients.py
	for seeds in $$(seq 0 50 950); do \
	  ALMONER_TEST_SEEDS=$$seeds-$$((seeds + 50)) $(VENV)/bin/pytest -n 0 -q tests/notifications/test_nothing_lost.py \
	    -k only_follows_hrefs || exit 1; \
	done
	ALMONER_TEST_MOVES=200 $(VENV)/bin/pytest -n 0 -q tests/cells/test_moving.py -k followers
	ALMONER_TEST_SEEDS=0-1 ALMONER_TEST_ITEMS=10000 ALMONER_TEST_KILLS=200 $(VENV)/bin/pytest -n 0 -q tests/work/test_killed.py
	ALMONER_TEST_SEEDS=0-500 $(VENV)/bin/pytest -n 0 -q tests/work/test_killed.py
	for seeds in $$(seq 0 50 450); do \
	  ALMONER_TEST_SEEDS=$$seeds-$$((seeds + 50)) $(VENV)/bin/pytest -n 0 -q tests/client/test_mirror_killed.py || exit 1; \
	done
	ALMONER_TEST_SEEDS=0-1 ALMONER_TEST_FIRINGS=5000 ALMONER_TEST_KILLS=200 $(VENV)/bin/pytest -n 0 -q tests/processes/test_killed.py
	ALMONER_TEST_SEEDS=0-500 $(VENV)/bin/pytest -n 0 -q tests/processes/test_killed.py

## test-cluster: three machines with Patroni and etcd, whose primary is killed, hangs and is cut off under load (as root; or it says what is missing)
test-cluster: $(READY)
	.ci/cluster

## codegen: generators of others make clients of the OpenAPI document, in Python and TypeScript; each is fetched for it, or passed over with a word
codegen: $(READY)
	.ci/codegen

## migration NAME=add_something: write a migration from the difference between declarations and migrations
migration: $(READY)
	@test -n "$(NAME)" || { echo 'Say what it does: make migration NAME=add_something' >&2; exit 2; }
	@$(VENV)/bin/almoner migrate --write "$(NAME)"

## production: an environment of what is served alone in .production, from the same lock
production: $(READY)
	@$(UV) venv --quiet --clear --python .uv/bin/python $(PRODUCTION)
	@$(UV) pip sync --quiet --python $(PRODUCTION)/bin/python --require-hashes production.lock
	@$(VENV)/bin/hatchling build --target wheel --directory $(PRODUCTION)/wheel >/dev/null 2>&1
	@$(UV) pip install --quiet --python $(PRODUCTION)/bin/python --no-deps $(PRODUCTION)/wheel/*.whl
	@echo 'Call $(PRODUCTION)/bin/almoner'

## wheel: the server as dist/almoner-*.whl: pip install 'dist/almoner-0.1.0-py3-none-any.whl[locked]' installs the versions that were tested
wheel: $(READY)
	@rm -f dist/almoner-*.whl
	@$(VENV)/bin/hatchling build --target wheel --directory dist >/dev/null 2>&1 || \
	  { $(VENV)/bin/hatchling build --target wheel --directory dist >&2; exit 1; }
	@ls dist/almoner-*.whl

## lock: raise every dependency to its newest version
lock: $(UV_READY)
	@$(UV) $(COMPILE) --upgrade --group dev pyproject.toml -o requirements.lock
	@$(UV) $(COMPILE) --constraint requirements.lock pyproject.toml -o production.lock
	@echo uv | $(UV) $(COMPILE) --upgrade - -o installer.lock
	@$(UV) $(COMPILE) --upgrade bench/peers/requirements.in -o bench/peers/requirements.lock

## sbom: what is served, as CycloneDX 1.5 beside the wheel: names, versions, hashes, licences
sbom: $(READY)
	@$(VENV)/bin/python -m tools.sbom

clean:
	rm -rf $(VENV) $(PRODUCTION) .uv bench/.venv dist

.venv: $(READY)

$(UV_READY): installer.lock
	@echo 'Installing the installer of packages into .uv ...'
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Almoner needs Python 3.11 or newer. Name one with: make PYTHON=/path/to/python3' >&2; exit 2; }
	@$(PYTHON) -m venv --clear .uv || { \
	  echo 'Python has no venv module. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 2; }
	@.uv/bin/pip install -qq --disable-pip-version-check --require-hashes -r installer.lock
	@touch $@

$(READY): requirements.lock pyproject.toml $(UV_READY)
	@echo 'Installing what Almoner needs into .venv; about a minute the first time ...'
	@$(VENV)/bin/python -c "" 2>/dev/null || $(UV) venv --quiet --clear --python .uv/bin/python $(VENV)
	@$(UV) pip sync --quiet --python $(VENV)/bin/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(VENV)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

bench/.venv/.ready: bench/peers/requirements.lock $(UV_READY)
	@bench/.venv/bin/python -c "" 2>/dev/null || $(UV) venv --quiet --clear --python .uv/bin/python bench/.venv
	@$(UV) pip sync --quiet --python bench/.venv/bin/python --require-hashes bench/peers/requirements.lock
	@touch $@
