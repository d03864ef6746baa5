# make demo   the first look: the panel in a window, or pictures in xraytomo-demo/ without a display (HEADLESS=1 forces that)
# make test   all tests
# Both make the environment .venv on their first run. PYTHON=python3.12 chooses the interpreter (3.11 to 3.13).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
SYSTEM_LIBRARIES := libgl1 libegl1 libglib2.0-0 libxkbcommon0 libfontconfig1 libdbus-1-3
OFFSCREEN := QT_QPA_PLATFORM=offscreen
ifeq ($(shell uname),Linux)
OFFSCREEN += VTK_DEFAULT_OPENGL_WINDOW=vtkEGLRenderWindow
endif
DISPLAY_FOUND := $(DISPLAY)$(WAYLAND_DISPLAY)
ifeq ($(shell uname),Darwin)
DISPLAY_FOUND := yes
endif
ifneq ($(HEADLESS),)
DISPLAY_FOUND :=
endif

.PHONY: demo test system

ifeq ($(DISPLAY_FOUND),)
demo: $(INSTALLED)
	$(OFFSCREEN) $(BIN)/python Testing/Demo/demo.py --headless --output xraytomo-demo
else
demo: $(INSTALLED)
	$(BIN)/python Testing/Demo/demo.py --output xraytomo-demo
endif

test: $(INSTALLED)
	$(OFFSCREEN) $(BIN)/python -m ruff check .
	$(OFFSCREEN) $(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST_ARGS)

# torch goes first: the version in constraints.txt decides which build is taken before anything else can draw another one.
$(INSTALLED): pyproject.toml constraints.txt | system
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[fast,io,app,test]"
	touch $@

# Debian and its relatives: what venv, Qt and software OpenGL need. Elsewhere these libraries come with the desktop.
system:
	@command -v dpkg-query >/dev/null || exit 0; \
	missing=""; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing=" python3-venv"; \
	for name in $(SYSTEM_LIBRARIES); do \
	  dpkg-query -W -f '$${Status}\n' $$name $${name}t64 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$name"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	else \
	  echo "System packages are missing; install them with: sudo apt-get install$$missing"; \
	fi
