# A conda for the tests of run.sh; the test puts the lines that set BEHAVIOUR and BOX in front.
printf 'conda %s\n' "$*" >>"$BOX/calls"
if [ "$BEHAVIOUR" = refuses ]; then exit 127; fi
if [ "$1" = --version ]; then
  echo "conda 24.1.0"
  exit 0
fi
if [ "$BEHAVIOUR" = fails ]; then
  echo "PackagesNotFoundError: python=3.7"
  exit 1
fi
while [ "$1" != -p ]; do shift; done
mkdir -p "$2/bin"
cat "$BOX/conda-python" >"$2/bin/python"
chmod +x "$2/bin/python"
