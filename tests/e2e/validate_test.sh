#!/usr/bin/env bash
# Usage: validate_test.sh PROGRAM. `validate` takes --config before and behind it; what is wrong is
# one line on standard error and exit 2.
set -euo pipefail
program=$1
file=$(mktemp)
trap 'rm -f "$file"' EXIT
echo 'memory: 1MB' > "$file"

for arguments in "--config $file validate" "validate --config $file"; do
  said=$($program $arguments 2>&1 >/dev/null) && status=0 || status=$?
  if [[ $status != 2 || $said != "$file:1: memory: value \"1MB\": expected "* || $said == *$'\n'* ]]; then
    echo "$arguments: exit $status, said: $said" >&2
    exit 1
  fi
done
