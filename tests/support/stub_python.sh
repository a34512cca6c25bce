# A Python for the tests of run.sh: answers what run.sh asks of one and writes down what it was asked.
# The test puts the lines that set VERSION, BEHAVIOUR, BOX and REAL (a Python that runs our scripts) in
# front.
self=$0
note() { printf '%s\n' "$*" >>"$BOX/calls"; }

case $BEHAVIOUR in
  refuses)
    note "shim $self"
    echo "pyenv: python: command not found" >&2
    exit 127
    ;;
esac

case ${1:-} in
  -c)
    case $2 in
      *ensurepip*)
        note "probe $VERSION"
        [ "$BEHAVIOUR" != no-venv ] || exit 1
        echo "$VERSION $self"
        ;;
      *run_module*)
        if [ -n "${REAL_PYTHON:-}" ]; then
          exec "$REAL_PYTHON" "$@"
        fi
        shift 2
        note "run $self"
        {
          printf 'folder=%s\n' "$PWD"
          printf 'PYTHONPATH=%s\n' "$PYTHONPATH"
          printf 'DFAR_ROOT=%s\n' "$DFAR_ROOT"
          printf 'LD_LIBRARY_PATH=%s\n' "${LD_LIBRARY_PATH:-}"
          printf 'argument=%s\n' "$@"
        } >"$BOX/ran"
        exit "${STUB_STATUS:-0}"
        ;;
      *version_info*)
        case $VERSION in 2.*) [[ $2 != *exit* ]] || exit 1 ;; esac
        echo "$VERSION"
        ;;
    esac
    ;;
  -m)
    case $2 in
      venv)
        note "venv $VERSION"
        mkdir -p "$3/bin"
        cat "$self" >"$3/bin/python"
        chmod +x "$3/bin/python"
        ;;
      pip)
        shift 2
        note "pip $*"
        echo "pip says: $*"
        if [ -f "$BOX/pip-waits" ]; then
          echo >"$BOX/pip-is-waiting"
          sleep 30
        fi
        if [ -f "$BOX/pip-is-slow" ]; then sleep 0.3; fi
        if [ -f "$BOX/pip-fails" ] && [[ $* == *$(cat "$BOX/pip-fails")* ]]; then
          echo "ERROR: No matching distribution found"
          exit 1
        fi
        ;;
      pytest)
        shift 2
        note "pytest $VERSION in $PWD: $*"
        if [ -f "$BOX/pytests-meet" ]; then exec "$REAL" "$BOX/meeting.py" "$VERSION"; fi
        if [ -f "$BOX/pytest-$VERSION" ]; then
          cat "$BOX/pytest-$VERSION"
          exit 1
        fi
        echo "..."
        printf '\033[32m\033[1m3 passed\033[0m, 1 skipped in 0.12s\033[0m\n'
        ;;
    esac
    ;;
  */start.py)
    exec "$REAL" "$@"
    ;;
  */satisfied.py)
    note "satisfied $VERSION $2 $3"
    case $BEHAVIOUR in
      lacks) echo "it lacks pandas" && exit 1 ;;
    esac
    case $VERSION in
      3.7.*) echo "TensorFlow 1.15.0, Python $VERSION" ;;
      *) echo "TensorFlow 2.15.1, Python $VERSION" ;;
    esac
    ;;
esac
