#!/usr/bin/env bash
# ./dev refuses a preset, target or fuzzer that does not exist before it configures or builds, names
# those that do and exits with 2. Runs a copy of the script on a copy of the CMake files, with a cmake
# that only tells that it was called.
set -euo pipefail
root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/tree"
(cd "$root" && find . -path ./build -prune -o -type f \
  \( -name dev -o -name CMakeLists.txt -o -name '*.cmake' -o -name 'fuzz_*.cc' \) -print0 |
  xargs -0 cp --parents -t "$work/tree")
# Neither builds nor asks for packages.
printf '#!/bin/sh\necho "cmake was called"\nexit 9\n' >"$work/bin/cmake"
printf '#!/bin/sh\necho "install ok installed"\n' >"$work/bin/dpkg-query"
printf '#!/bin/sh\nexit 9\n' >"$work/bin/apt-get"
chmod +x "$work/bin/"*
export PATH=$work/bin:$PATH

failures=0
# expect CODE TEXT ARGUMENTS...: ./dev ARGUMENTS ends with CODE and says TEXT.
expect() {
  local code=$1 text=$2 status=0 said
  shift 2
  said=$("$work/tree/dev" "$@" 2>&1 </dev/null) || status=$?
  if [[ $status == "$code" && $said == *"$text"* ]]; then return 0; fi
  printf 'dev %s: exit %s, expected %s and "%s"; it said:\n%s\n\n' "$*" "$status" "$code" "$text" "$said"
  failures=$((failures + 1))
}

expect 2 "no fuzzer 'cry'; there are: checkpoint config cri queue wire" fuzz cry 5
expect 2 "expected a number of seconds, not 'soon'" fuzz cri soon
expect 2 "expected a number of seconds, not '0'" fuzz 0
expect 2 "'tasn' is no preset (release dev asan tsan tidy fuzz)" build tasn
expect 2 "and no target (all clean agent_app_test" build tsan logtail-agnet
expect 2 "no preset 'tidy'; there are: release dev asan tsan fuzz" test tidy
expect 2 "no command 'biuld'" biuld
# Names that exist get as far as cmake.
expect 1 "cmake was called" fuzz cri 5
expect 1 "cmake was called" fuzz fuzz_cri
expect 1 "cmake was called" fuzz 5
expect 1 "cmake was called" build
expect 1 "cmake was called" build asan
expect 1 "cmake was called" build logtail-agent base_test
expect 1 "cmake was called" build tsan fuzz_wire logtail_base logtail-slow-sync
exit $((failures > 0))
