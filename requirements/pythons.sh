# shellcheck shell=bash
# Finds a Python of a given version that really works. Sourced by environment.sh.

# What a Python must be able to do to count: run at all (a version manager's shim may refuse), be a
# 64-bit CPython (TensorFlow has wheels for no other) and make a virtual environment with pip in it.
# Prints "VERSION REAL_PATH".
PYTHON_PROBE='
import os, platform, ssl, struct, sys
import ensurepip, venv
assert platform.python_implementation() == "CPython" and struct.calcsize("P") == 8
real = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
print("%d.%d.%d %s" % (sys.version_info[:3] + (real,)))
'
FOUND_PYTHON=    # its real path
FOUND_VERSION=   # as 3.11.7
REFUSED_PYTHONS= # what was found and does not count, and why

# Every place where a Python $1 (as 3.11) may be, best first, one a line; most do not exist.
python_candidates() {
  local version=$1 digits=${1/./} dir name folders=()
  IFS=: read -r -a folders <<<"$PATH"
  for name in "python$version" python3 python; do
    for dir in ${folders[@]+"${folders[@]}"}; do
      printf '%s\n' "${dir:-.}/$name"
    done
  done
  # Version managers keep whole installations, whose Pythons are on PATH only when chosen. The system
  # folders can be looked for under another root, so that the tests see no Python of the machine's.
  local home=${HOME:-/nonexistent} root=${DFAR_SEARCH_ROOT:-}
  printf '%s\n' \
    "${PYENV_ROOT:-$home/.pyenv}/versions/$version"*/bin/python \
    "${ASDF_DATA_DIR:-$home/.asdf}/installs/python/$version"*/bin/python \
    "${MISE_DATA_DIR:-$home/.local/share/mise}/installs/python/$version"*/bin/python \
    "${UV_PYTHON_INSTALL_DIR:-$home/.local/share/uv/python}/cpython-$version"*/bin/python3 \
    "${RYE_HOME:-$home/.rye}/py/cpython@$version"*/bin/python3 \
    "${RYE_HOME:-$home/.rye}/py/cpython@$version"*/install/bin/python3 \
    "$home/.local/bin/python$version" \
    "$root/opt/homebrew/opt/python@$version/bin/python$version" \
    "$root/usr/local/opt/python@$version/bin/python$version" \
    "$root/home/linuxbrew/.linuxbrew/opt/python@$version/bin/python$version" \
    "$root/Library/Frameworks/Python.framework/Versions/$version/bin/python$version" \
    "$root/usr/local/bin/python$version" \
    "$root/usr/bin/python$version" \
    "$root/opt/python/cp$digits-cp$digits"*/bin/python \
    "$root/opt/python/$version"*/bin/python3 \
    "$root/opt/python$version"*/bin/python3 \
    "$root/opt/hostedtoolcache/Python/$version"*/x64/bin/python
}

# try_python PROGRAM [VERSION]: runs it. Sets FOUND_PYTHON and FOUND_VERSION, or notes why it does
# not count (unless it is of another version anyway) and fails.
try_python() {
  local answer version
  if answer=$("$1" -c "$PYTHON_PROBE" 2>/dev/null </dev/null); then
    FOUND_VERSION=${answer%% *}
    FOUND_PYTHON=${answer#* }
    [ "${2:-${FOUND_VERSION%.*}}" = "${FOUND_VERSION%.*}" ]
    return
  fi
  if version=$("$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null </dev/null)
  then
    [ "${2:-${version%.*}}" = "${version%.*}" ] || return 1
    REFUSED_PYTHONS+="  $1: Python $version, but not a 64-bit CPython with ssl, venv and ensurepip"
    REFUSED_PYTHONS+=" (Debian, Ubuntu: apt install python${version%.*}-venv)"$'\n'
  else
    REFUSED_PYTHONS+="  $1: does not run (a version manager's shim, perhaps)"$'\n'
  fi
  return 1
}

# The first working Python of the versions $@ (as 3.11 3.10).
find_python() {
  local version candidate
  for version in "$@"; do
    while IFS= read -r candidate; do
      if [ -x "$candidate" ] && [ ! -d "$candidate" ] && try_python "$candidate" "$version"; then
        return 0
      fi
    done < <(python_candidates "$version")
  done
  return 1
}
