#!/usr/bin/env bash
# Finds or makes the Python environment, then hands its words to `python -m dfar_tf`:
#
#     bash run.sh COMMAND [--flag=value ...]
#     bash run.sh test [pytest's arguments ...]
#
# DFAR_TF=1.15|2.15 and DFAR_PYTHON=/path/to/python choose; see requirements/environment.sh for how
# the choice is made without them.
set -euo pipefail
trap 'exit 130' INT
trap 'exit 143' TERM

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=requirements/environment.sh
. "$ROOT/requirements/environment.sh"

# One line for each command: a module of dfar_tf/commands and the first line of its docstring. No
# Python is needed to read it, so that it can be read before there is one.
list_commands() {
  local file name
  echo "usage: bash run.sh COMMAND [--flag=value ...]"
  echo
  for file in "$ROOT"/dfar_tf/commands/*.py; do
    name=${file##*/}
    name=${name%.py}
    case $name in _* | '*') continue ;; esac
    printf '  %-16s %s\n' "${name//_/-}" \
      "$(sed -n -e '/^[rR]\{0,1\}"""/{s/^[rR]\{0,1\}"""//;s/""".*//;p;q;}' "$file")"
  done
  printf '  %-16s %s\n' test \
    "run the tests on every TensorFlow this machine can hold; takes pytest's arguments."
  echo
  echo "bash run.sh COMMAND --help tells a command's flags. DFAR_TF=1.15 or 2.15 chooses TensorFlow,"
  echo "DFAR_PYTHON=/path/to/python the Python that its environment is made from."
}

# exec_python PYTHON ARGUMENTS...: becomes that Python, which sees this checkout and its environment's
# packages and none of the caller's own.
exec_python() {
  local python=$1
  shift
  case $python in
    # Its CUDA libraries, which an activated environment would offer.
    */conda-1.15-gpu/bin/python)
      export LD_LIBRARY_PATH="${python%/bin/python}/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
      ;;
  esac
  exec env PYTHONPATH="$ROOT" PYTHONNOUSERSITE=1 DFAR_ROOT="$ROOT" "$python" "$@"
}

# `python -m dfar_tf`, except that the caller's folder is no place to import from: it may be another
# checkout, or hold a file named like one of Python's modules.
readonly MODULE='
import sys
sys.path[:] = [folder for folder in sys.path if folder]
import runpy
runpy.run_module("dfar_tf", run_name="__main__", alter_sys=True)
'

run_command() {
  local command=$1 tf python
  shift
  tf=$(wanted_tf) || exit $?
  python=$(environment_python "$tf" run) || exit $?
  exec_python "$python" -c "$MODULE" "$command" "$@"
}

# run_suite TF [pytest's arguments]: the suite under one TensorFlow; adds its line to SUMMARY.
run_suite() {
  local tf=$1 python label line status=0
  shift
  label="TensorFlow ${tf:-for DFAR_PYTHON=${DFAR_PYTHON:-}}"
  python=$(environment_python "$tf" test) || status=$?
  if [ "$status" = "$NO_PYTHON" ]; then
    SUMMARY+="$label: not run, no Python for it was found (see above)"$'\n'
    return
  elif [ "$status" != 0 ]; then
    SUMMARY+="$label: FAILED, its environment could not be made (see above)"$'\n'
    FAILED=yes
    return
  fi
  label=$("$python" "$ROOT/requirements/satisfied.py" "$tf" test) || label="TensorFlow $tf ($label)"
  printf '\n===== %s\n' "$label"
  (cd -- "$ROOT" && exec_python "$python" -m pytest "$@") 2>&1 | tee "$OUTPUT" || status=$?
  # pytest's closing line, without its colours and its frame of equals signs.
  line=$(sed -e $'s/\033\\[[0-9;]*m//g' -e 's/^=* *//' -e 's/ *=*$//' "$OUTPUT" |
    grep -E '^([0-9]+ [a-z]+|no tests ran).* in [0-9.]+s' | tail -n 1) ||
    line="pytest ended with status $status and no summary"
  if [ "$status" != 0 ]; then
    FAILED=yes
    line="FAILED, $line"
  fi
  RAN=yes
  SUMMARY+="$label: $line"$'\n'
}

run_tests() {
  local tf
  SUMMARY='' FAILED='' RAN=''
  tf=$(wanted_tf) || exit $?
  OUTPUT=$(mktemp "${TMPDIR:-/tmp}/dfar-test.XXXXXX")
  trap 'rm -f "$OUTPUT"' EXIT
  if [ -n "$tf" ] || [ -n "${DFAR_PYTHON:-}" ]; then
    run_suite "$tf" "$@"
  else
    run_suite 1.15 "$@"
    run_suite 2.15 "$@"
  fi
  printf '\n%s' "$SUMMARY"
  if [ -n "$FAILED" ] || [ -z "$RAN" ]; then
    exit 1
  fi
}

case ${1:-help} in
  help | -h | --help)
    list_commands
    ;;
  test)
    shift
    run_tests "$@"
    ;;
  *)
    command=${1//_/-}
    module=$ROOT/dfar_tf/commands/${command//-/_}.py
    if [[ ! $command =~ ^[a-z0-9][a-z0-9-]*$ ]] || [ ! -f "$module" ]; then
      {
        echo "error: unknown command: $1"
        list_commands
      } >&2
      exit 2
    fi
    shift
    run_command "$command" "$@"
    ;;
esac
