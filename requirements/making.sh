# shellcheck shell=bash
# Makes an environment .envs/NAME and tells whether it is made. Sourced by environment.sh.
#
# NAME is tf1.15-py3.7, tf2.15-py3.11, tf2.15-py3.11-cuda, ... for a virtual environment, conda-1.15,
# conda-1.15-gpu, conda-2.15 or conda-2.15-cuda for conda's.

ENVS=$ROOT/.envs
CONDA_FAILED= # why conda's environment could not be made

# The requirement files of the environment $1, one a line, in the order they are installed.
requirement_files() {
  case $1 in
    conda-1.15-gpu) echo environment-gpu.yml ;;
    conda-1.15) echo environment.yml ;;
    *2.15*cuda) printf 'requirements/%s\n' tf2.15.txt tf2.15-cuda.txt ;;
    *2.15*) echo requirements/tf2.15.txt ;;
    *) echo requirements/tf1.15.txt ;;
  esac
}

test_requirement_files() {
  case $1 in
    *2.15*) printf 'requirements/%s\n' test-tf2.15.txt test-tf2.15-nodeps.txt ;;
    *) printf 'requirements/%s\n' test-tf1.15.txt test-tf1.15-nodeps.txt ;;
  esac
}

# The text of the files named on standard input: what an environment is made from.
recipe() {
  local file
  while IFS= read -r file; do
    cat "$ROOT/$file"
  done
}

# is_made NAME KIND [PYTHON_LINE]. An environment carries what it was made from: its Python in the
# first line of .made-from, then its requirement files; .made-from-test has the tests'. They are
# written last, so an interrupted installation has none and is made again.
is_made() {
  local stamp=$ENVS/$1/.made-from
  [ -x "$ENVS/$1/bin/python" ] && [ -f "$stamp" ] || return 1
  [ "$(sed 1d "$stamp")" = "$(requirement_files "$1" | recipe)" ] || return 1
  if [ -n "${3:-}" ]; then
    [ "$(head -n 1 "$stamp")" = "$3" ] || return 1
  fi
  [ "$2" = test ] || return 0
  [ -f "$stamp-test" ] && [ "$(cat "$stamp-test")" = "$(test_requirement_files "$1" | recipe)" ]
}

# One maker at a time. The lock ends with this process (flock), or is taken from a dead one (mkdir).
lock_envs() {
  local holder waiting=
  mkdir -p "$ENVS" || die "cannot make the folder $ENVS: make the checkout writable"
  if command -v flock >/dev/null 2>&1; then
    exec 9>"$ENVS/lock" || die "cannot write $ENVS/lock: make the checkout writable"
    flock -n 9 && return 0
    say "Another run is making an environment; waiting for it."
    flock 9
    return 0
  fi
  until mkdir "$ENVS/lock.d" 2>/dev/null; do
    holder=$(cat "$ENVS/lock.d/pid" 2>/dev/null || true)
    if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
      rm -rf "$ENVS/lock.d"
      continue
    fi
    if [ -z "$waiting" ]; then
      say "Another run is making an environment; waiting for it (if none is, remove $ENVS/lock.d)."
    fi
    waiting=yes
    sleep 1
  done
  trap 'rm -rf "$ENVS/lock.d"' EXIT
  echo "$$" >"$ENVS/lock.d/pid"
}

# logged COMMAND...: its output goes to the environment's log; a person's settings that would put
# packages elsewhere do not count, and nothing waits for an answer.
logged() {
  printf '\n$ %s\n' "$*" >>"$LOG"
  PYTHONPATH='' PYTHONNOUSERSITE=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$@" >>"$LOG" 2>&1 </dev/null
}

show_log_and_die() {
  say "----- the end of $LOG:"
  tail -n 15 "$LOG" >&2 || true
  say "-----"
  die "$1 Mend what the log names (often the network, a proxy, pip's index or a full disk) and run" \
    "again; DFAR_PYTHON=/path/to/python takes another Python, DFAR_TF=1.15 or 2.15 another TensorFlow."
}

# install NAME FILE...: pip's own version first, since an old pip may not know the others' wheels.
install() {
  local python=$ENVS/$1/bin/python file line tools
  shift
  for file in "$@"; do
    tools=()
    while IFS= read -r line; do
      tools+=("$line")
    done < <(grep -E '^(pip|setuptools|wheel)==' "$ROOT/$file")
    if [ "${#tools[@]}" -gt 0 ]; then
      logged "$python" -m pip install "${tools[@]}" || return 1
    fi
    case $file in
      *-nodeps.txt) logged "$python" -m pip install --no-deps -r "$ROOT/$file" || return 1 ;;
      *) logged "$python" -m pip install -r "$ROOT/$file" || return 1 ;;
    esac
  done
}

# make_base NAME PYTHON_LINE: the environment without the tests' packages, from nothing.
make_base() {
  local name=$1 prefix=$ENVS/$1 files=() file
  while IFS= read -r file; do files+=("$file"); done < <(requirement_files "$name")
  rm -rf "$prefix"
  : >"$LOG"
  case $name in
    conda-1.15*)
      case ${CONDA##*/} in
        micromamba*) logged "$CONDA" create -y -p "$prefix" -f "$ROOT/${files[0]}" ;;
        *) logged "$CONDA" env create -p "$prefix" -f "$ROOT/${files[0]}" ;;
      esac || return 1
      ;;
    conda-*)
      logged "$CONDA" create -y -p "$prefix" -c conda-forge python=3.11 pip || return 1
      install "$name" "${files[@]}" || return 1
      ;;
    *)
      logged "$FOUND_PYTHON" -m venv "$prefix" || return 1
      install "$name" "${files[@]}" || return 1
      ;;
  esac
  { printf '%s\n' "$2" && requirement_files "$name" | recipe; } >"$prefix/.made-from.new" &&
    mv "$prefix/.made-from.new" "$prefix/.made-from"
}

make_test_part() {
  local stamp=$ENVS/$1/.made-from-test files=() file
  while IFS= read -r file; do files+=("$file"); done < <(test_requirement_files "$1")
  rm -f "$stamp"
  install "$1" "${files[@]}" || return 1
  test_requirement_files "$1" | recipe >"$stamp.new" && mv "$stamp.new" "$stamp"
}

# ensure NAME KIND TF PYTHON_LINE: makes what is missing. Fails where conda cannot, since a virtual
# environment may then do; where pip cannot, that is the end.
ensure() {
  local name=$1 kind=$2 tf
  tf=$(full_version "$3")
  LOG=$ENVS/$name.log
  is_made "$name" "$kind" "$4" && return 0
  lock_envs
  if ! is_made "$name" run "$4"; then
    say "Making the environment .envs/$name: TensorFlow $tf on $4" \
      "(once, some minutes; the log is .envs/$name.log)"
    if ! make_base "$name" "$4"; then
      case $name in
        conda-*)
          CONDA_FAILED="$CONDA could not make .envs/$name (see $LOG)."
          say "$CONDA_FAILED The end of its log:"
          tail -n 5 "$LOG" >&2 || true
          return 1
          ;;
      esac
      show_log_and_die "the environment for TensorFlow $tf could not be made from $4."
    fi
  fi
  if ! is_made "$name" "$kind" "$4"; then
    say "Adding the tests' packages to .envs/$name"
    make_test_part "$name" ||
      show_log_and_die "the tests' packages could not be added to .envs/$name."
  fi
}
