# shellcheck shell=bash
# Chooses the environment that run.sh runs in; ROOT is the checkout. Sourced by run.sh.
#
#   environment_python TF KIND
#
# prints the path of a Python that has everything for KIND (run or test) under TF (1.15, 2.15 or
# empty for the best); all else is said on standard error. In this order: the Python that
# DFAR_PYTHON names; an active conda environment that has all we need; conda; a virtual environment
# from a Python of this machine. It is called in a command substitution, where `die` ends only that.

readonly NO_PYTHON=3 # exit status: this machine cannot hold that TensorFlow

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

: "${ROOT:?}"
# shellcheck source=requirements/pythons.sh
. "$ROOT/requirements/pythons.sh"
# shellcheck source=requirements/making.sh
. "$ROOT/requirements/making.sh"

# Prints which TensorFlow DFAR_TF asks for, if any.
wanted_tf() {
  case ${DFAR_TF:-} in
    '') ;;
    1.15 | 1.15.*) echo 1.15 ;;
    2.15 | 2.15.*) echo 2.15 ;;
    *) die "DFAR_TF=$DFAR_TF: expected 1.15 or 2.15" ;;
  esac
}

full_version() { if [ "$1" = 1.15 ]; then echo 1.15.0; else echo 2.15.1; fi; }

# Sets GPU to the highest CUDA compute capability (as 8.6), to "unknown" where the driver is too old
# to tell, or to nothing without an NVIDIA GPU.
find_gpu() {
  local answer
  GPU=
  command -v nvidia-smi >/dev/null 2>&1 || return 0
  if answer=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null </dev/null); then
    GPU=$(printf '%s\n' "$answer" | sort -n | tail -n 1 | tr -cd '0-9.')
  elif nvidia-smi -L >/dev/null 2>&1 </dev/null; then
    GPU=unknown
  fi
}

# TensorFlow 1.15 was built for compute capabilities up to 7.5.
gpu_is_modern() { [[ $GPU =~ ^([0-9]+)\. ]] && [ "${BASH_REMATCH[1]}" -ge 8 ]; }

# Where conda may be, one a line. It is often only a function of the interactive shell, which leaves
# its path in CONDA_EXE.
conda_candidates() {
  command -v mamba || true
  command -v conda || true
  printf '%s\n' "${CONDA_EXE:-}"
  command -v micromamba || true
  printf '%s\n' "${MAMBA_EXE:-}"
}

# Sets CONDA to the first that runs.
find_conda() {
  while IFS= read -r CONDA; do
    [ -x "$CONDA" ] && "$CONDA" --version >/dev/null 2>&1 </dev/null && return 0
  done < <(conda_candidates)
  return 1
}

# Prints which TensorFlows to try, best first, for the wish $1.
tf_order() {
  case $(uname -m) in
    x86_64 | amd64) ;;
    *)
      if [ "$1" = 1.15 ]; then
        say "error: TensorFlow 1.15.0 exists for x86-64 processors only, not for $(uname -m)"
        exit "$NO_PYTHON"
      fi
      echo 2.15
      return
      ;;
  esac
  if [ -n "$1" ]; then
    echo "$1"
  elif gpu_is_modern; then
    echo 2.15 1.15
  else
    echo 1.15 2.15
  fi
}

no_python() {
  if [ "$2" = test ]; then
    say "No Python for TensorFlow $(full_version "$1") was found.${CONDA_FAILED:+ $CONDA_FAILED}"
  else
    say "error: found no Python to make an environment from.${CONDA_FAILED:+ $CONDA_FAILED}"
  fi
  say "Install:"
  if [[ $1 == *1.15* ]]; then
    say "  Python 3.7 for TensorFlow 1.15.0, the paper's (pyenv install 3.7, or conda)"
  fi
  if [[ $1 == *2.15* ]]; then
    say "  Python 3.11, 3.10 or 3.9 for TensorFlow 2.15 (pyenv install 3.11, uv python install 3.11," \
      "brew install python@3.11, apt install python3.11 python3.11-venv, or conda)"
  fi
  say "or name one that is elsewhere: DFAR_PYTHON=/path/to/python bash run.sh ..."
  if [ -n "$REFUSED_PYTHONS" ]; then
    say "These were found and do not count:"
    printf '%s' "$REFUSED_PYTHONS" | sort -u >&2
  fi
  exit "$NO_PYTHON"
}

# use NAME [CONDITIONS]: prints the Python of .envs/NAME; a choice made under CONDITIONS is kept, so
# that the next run need not search again.
use() {
  if [ -n "${2:-}" ]; then
    printf '%s\n%s\n' "$2" "$1" >"$CHOICE.$$" && mv "$CHOICE.$$" "$CHOICE"
  fi
  if [[ $1 == *1.15* ]] && gpu_is_modern; then
    say "Note: TensorFlow 1.15 knows no GPU of compute capability $GPU and may run on the CPU;" \
      "TensorFlow 2.15 uses it (DFAR_TF=2.15; it needs a Python 3.9, 3.10 or 3.11)."
  fi
  printf '%s\n' "$ENVS/$1/bin/python"
}

# use_venv TF KIND [CONDITIONS]: the virtual environment made from FOUND_PYTHON.
use_venv() {
  local name=tf$1-py${FOUND_VERSION%.*}
  if [ "$1" = 2.15 ] && [ -n "$GPU" ]; then name+=-cuda; fi
  ensure "$name" "$2" "$1" "Python $FOUND_VERSION ($FOUND_PYTHON)" && use "$name" "${3:-}"
}

# use_named_python WANTED KIND: DFAR_PYTHON, whose version decides on TensorFlow.
use_named_python() {
  local program tf
  program=$(command -v -- "$DFAR_PYTHON") || die "DFAR_PYTHON=$DFAR_PYTHON: no such program"
  try_python "$program" ||
    die "DFAR_PYTHON=$DFAR_PYTHON cannot be used:"$'\n'"${REFUSED_PYTHONS%$'\n'}"
  case ${FOUND_VERSION%.*} in
    3.7) tf=1.15 ;;
    3.9 | 3.10 | 3.11) tf=2.15 ;;
    *) tf=none ;;
  esac
  if [ "${1:-$tf}" != "$tf" ] || [ "$tf" = none ]; then
    die "DFAR_PYTHON=$DFAR_PYTHON is Python $FOUND_VERSION${1:+, and DFAR_TF=$1}: TensorFlow 1.15.0" \
      "needs Python 3.7, TensorFlow 2.15 needs Python 3.9, 3.10 or 3.11"
  fi
  use_venv "$tf" "$2"
}

# use_conda TF KIND CONDITIONS: fails where conda cannot make it.
use_conda() {
  local name=conda-$1
  if [ "$1" = 2.15 ] && [ -n "$GPU" ]; then
    name+=-cuda
  elif [ -n "$GPU" ] && ! gpu_is_modern; then
    name+=-gpu
  fi
  ensure "$name" "$2" "$1" "conda's Python" && use "$name" "$3"
}

environment_python() {
  local wanted=$1 kind=$2 active="${CONDA_PREFIX:-}" lacks='it has no Python' order tf conditions
  find_gpu
  if [ -n "${DFAR_PYTHON:-}" ]; then
    use_named_python "$wanted" "$kind"
    return
  fi
  if [ -n "$active" ] && [ -x "$active/bin/python" ]; then
    if lacks=$(PYTHONPATH='' PYTHONNOUSERSITE=1 "$active/bin/python" \
      "$ROOT/requirements/satisfied.py" "$wanted" "$kind" 2>&1 </dev/null); then
      printf '%s\n' "$active/bin/python"
      return
    fi
  fi
  CHOICE=$ENVS/choice${wanted:+-$wanted}
  conditions="GPU $GPU, conda $(conda_candidates | tr '\n' ' ')"
  if [ -f "$CHOICE" ] && [ "$(head -n 1 "$CHOICE")" = "$conditions" ]; then
    tf=$(sed -n 2p "$CHOICE")
    if is_made "$tf" "$kind"; then
      use "$tf"
      return
    fi
  fi
  if [ -n "$active" ]; then
    say "The active conda environment ($active) is not used: ${lacks##*$'\n'}"
  fi
  order=$(tf_order "$wanted") || exit $?
  if find_conda && use_conda "${order%% *}" "$kind" "$conditions"; then
    return
  fi
  for tf in $order; do
    local versions=(3.7)
    if [ "$tf" = 2.15 ]; then versions=(3.11 3.10 3.9); fi
    if find_python "${versions[@]}"; then
      use_venv "$tf" "$kind" "$conditions"
      return
    fi
  done
  no_python "$order" "$kind"
}
