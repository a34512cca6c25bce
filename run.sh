#!/usr/bin/env bash
# Finds a Python and hands its words to requirements/start.py, which chooses or makes the
# environment and runs `python -m dfar_tf` or the tests in it:
#
#     bash run.sh COMMAND [--flag=value ...]
#     bash run.sh test [pytest's arguments ...]
#
# DFAR_TF=1.15|2.15 and DFAR_PYTHON=/path/to/python choose. This much is shell because it must work
# before there is a Python.
set -euo pipefail
trap 'exit 130' INT
trap 'exit 143' TERM

ROOT=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)

# One line for each command: a module of dfar_tf/commands and the first line of its docstring.
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
  printf '  %-16s %s\n' test "run the tests on every TensorFlow this machine can hold"
  echo
  echo "bash run.sh COMMAND --help lists a command's flags. DFAR_TF=1.15 or 2.15 chooses"
  echo "TensorFlow, DFAR_PYTHON=/path/to/python the Python its environment is made from."
}

command=${1:-help}
# Help, the version and a mistyped command need a Python and nothing else, and install nothing.
asks=
for word; do
  case $word in -h | -help | --help | --help=* | --version) asks=1 ;; esac
done
name=${command//_/-}
case $name in
  help | -h | --help) [ $# -gt 1 ] || {
    list_commands
    exit
  } ;;
  test) ;;
  *)
    if [[ ! $name =~ ^[a-z0-9][a-z0-9-]*$ ]] || [ ! -f "$ROOT/dfar_tf/commands/${name//-/_}.py" ]; then
      asks=1
    else
      command=$name
    fi
    ;;
esac
[ $# -eq 0 ] || shift

# shellcheck source=requirements/pythons.sh
. "$ROOT/requirements/pythons.sh"
DFAR_PYTHONS=$(existing_pythons)
DFAR_CONDAS=$(existing_condas)
if ! python=$(any_python); then
  if [ "$asks" ]; then
    list_commands
    exit 2
  fi
  python=$(python_from_conda) || no_python "$command"
fi
export DFAR_PYTHONS DFAR_CONDAS
[ -z "$asks" ] || export PYTHONDONTWRITEBYTECODE=1
# The arguments are passed unchanged; the caller's import path is not.
PYTHONPATH='' PYTHONNOUSERSITE=1 exec "$python" "$ROOT/requirements/start.py" "$command" "$@"
