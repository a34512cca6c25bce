# shellcheck shell=bash
# Finds a Python, of whatever version, that can run start.py. Sourced by run.sh; ROOT is the
# checkout.

say() { printf '%s\n' "$*" >&2; }

# Every place where a Python may be, best first, one a line; most do not exist.
python_places() {
  local name folder folders=()
  IFS=: read -r -a folders <<<"$PATH"
  for name in 'python3.[0-9]' 'python3.[0-9][0-9]' python3 python; do
    for folder in ${folders[@]+"${folders[@]}"}; do
      # shellcheck disable=SC2086 # the name is a pattern
      printf '%s\n' "${folder:-.}"/$name
    done
  done
  # Version managers keep whole installations, whose Pythons are on PATH only when chosen. The system
  # folders can be looked for under another root, so that the tests see no Python of the machine's.
  local home=${HOME:-/nonexistent} root=${DFAR_SEARCH_ROOT:-}
  printf '%s\n' \
    "${PYENV_ROOT:-$home/.pyenv}"/versions/3.*/bin/python \
    "${ASDF_DATA_DIR:-$home/.asdf}"/installs/python/3.*/bin/python \
    "${MISE_DATA_DIR:-$home/.local/share/mise}"/installs/python/3.*/bin/python \
    "${UV_PYTHON_INSTALL_DIR:-$home/.local/share/uv/python}"/cpython-3.*/bin/python3 \
    "${RYE_HOME:-$home/.rye}"/py/cpython@3.*/{,install/}bin/python3 \
    "$home"/.local/bin/python3.*[0-9] \
    "$root"{/opt/homebrew,/usr/local,/home/linuxbrew/.linuxbrew}/opt/python@3.*/bin/python3.*[0-9] \
    "$root"/Library/Frameworks/Python.framework/Versions/3.*/bin/python3.*[0-9] \
    "$root"/usr/{local/,}bin/python3.*[0-9] \
    "$root"/opt/python/cp3*/bin/python \
    "$root"/opt/python{/,}3.*/bin/python3 \
    "$root"/opt/hostedtoolcache/Python/3.*/x64/bin/python
}

existing_pythons() {
  local place
  while IFS= read -r place; do
    if [ -f "$place" ] && [ -x "$place" ]; then printf '%s\n' "$place"; fi
  done < <(python_places)
}

# Every conda, best first. It is often only a function of the interactive shell, which leaves its path
# in CONDA_EXE.
existing_condas() {
  local name
  for name in mamba conda "${CONDA_EXE:-}" micromamba "${MAMBA_EXE:-}"; do
    command -v -- "$name" || true
  done
}

# The first that runs. Our own come first, being the fastest to start (a version manager's shims are
# slow), but conda's, which start.py may have to remove while it runs.
any_python() {
  local python
  while IFS= read -r python; do
    if [ -x "$python" ] &&
      "$python" -c 'import sys; sys.exit(sys.version_info < (3, 7))' >/dev/null 2>&1 </dev/null; then
      printf '%s\n' "$python"
      return
    fi
  done < <(
    printf '%s\n' "$ROOT"/.envs/{tf*,python}/bin/python "$DFAR_PYTHONS"
    command -v -- "${DFAR_PYTHON:-}" || true
    while IFS= read -r python; do
      printf '%s\n' "${python%/*}"/{,../bin/}python
    done <<<"$DFAR_CONDAS"
  )
  return 1
}

# micromamba has no Python of its own; let it, or a conda whose Python is too old, get one.
python_from_conda() {
  local conda prefix=$ROOT/.envs/python
  while IFS= read -r conda; do
    [ -n "$conda" ] && "$conda" --version >/dev/null 2>&1 </dev/null || continue
    say "Making .envs/python: a Python to start with (once; the log is .envs/python.log)"
    rm -rf "$prefix"
    mkdir -p "$prefix"
    if "$conda" create -y -p "$prefix" -c conda-forge python=3.11 >"$prefix.log" 2>&1 </dev/null; then
      printf '%s\n' "$prefix/bin/python"
      return
    fi
    say "$conda could not make .envs/python (see $prefix.log). The end of its log:"
    tail -n 5 "$prefix.log" >&2
  done <<<"$DFAR_CONDAS"
  return 1
}

# no_python COMMAND: ends run.sh.
no_python() {
  local tf
  if [ -n "${DFAR_PYTHON:-}" ]; then
    say "error: DFAR_PYTHON=$DFAR_PYTHON cannot be used: it does not run, or is older than 3.7."
    exit 1
  fi
  say "error: found no Python to start with. Install Python 3.7 for TensorFlow 1.15.0, the paper's, or" \
    "3.9, 3.10 or 3.11 for TensorFlow 2.15 (with pyenv, uv, conda or your system's packages), or name" \
    "one that is elsewhere: DFAR_PYTHON=/path/to/python bash run.sh ..."
  [ "$1" = test ] || exit 3
  for tf in ${DFAR_TF:-1.15 2.15}; do
    echo "TensorFlow $tf: not run, no Python for it was found (see above)"
  done
  exit 1
}
