#!/usr/bin/env bash
# run.sh EXECUTIONS [TARGET...]: builds the fuzz targets with clang and runs each that many times, or the named ones only.
# COVERAGE=1 also prints which part of the lines of include/weightscope/io/ each target reached.
# Inputs that taught a target something new are kept in build/fuzz/corpus/TARGET for the next run; one that brings a reader down is
# left in build/fuzz/crashes/TARGET, and given to that target as its only argument it does so again.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=cmake/debian-packages.sh
source cmake/debian-packages.sh
export executions=${1:?"run.sh EXECUTIONS [TARGET...]"}
shift
export coverage=${COVERAGE:+ON}
export build=build/fuzz${COVERAGE:+-coverage}
if [ $# -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.cpp; do
        set -- "$@" "$(basename "$source" .cpp)"
    done
fi

mkdir -p "$build"
use_ccache
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_COMPILER=clang++ -DWEIGHTSCOPE_FUZZ=ON \
    -DWEIGHTSCOPE_FUZZ_COVERAGE="${coverage:-OFF}" -DWEIGHTSCOPE_BUILD_TESTS=ON -DWEIGHTSCOPE_BUILD_EXAMPLES=OFF \
    -DWEIGHTSCOPE_BUILD_BENCHMARKS=OFF -DWEIGHTSCOPE_INSTALL=OFF >"$build/configure.log" 2>&1 ||
    { cat "$build/configure.log" >&2; fail "the fuzz targets could not be configured; CMake says above what is missing"; }
cmake --build "$build" --target "$@"

# run_target TARGET
run_target() {
    local target=$1 program=$build/tests/fuzz/$1 log=$build/$1.log
    local corpus=build/fuzz/corpus/$1 crashes=build/fuzz/crashes/$1
    mkdir -p "$corpus" "$crashes"
    WEIGHTSCOPE_FUZZ_SEEDS=$corpus "$program" || return 1
    if ! LLVM_PROFILE_FILE=$build/$target.profraw "$program" -runs="$executions" -max_len=16384 -timeout=60 -rss_limit_mb=2048 \
            -seed=1 -artifact_prefix="$crashes/" -print_final_stats=1 "$corpus" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        echo "weightscope: error: $target: failed; the input that did it lies in $crashes" >&2
        return 1
    fi
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions," \
         "$(sed -n 's/^stat::peak_rss_mb: *//p' "$log") MB, $(find "$corpus" -type f | wc -l) inputs in its corpus"
    [ -n "$coverage" ] || return 0
    llvm-profdata merge -o "$build/$target.profdata" "$build/$target.profraw"
    llvm-cov export -summary-only -instr-profile "$build/$target.profdata" "$program" | python3 -c '
import json, os, sys
for file in json.load(sys.stdin)["data"][0]["files"]:
    lines = file["summary"]["lines"]
    if "/weightscope/io/" in file["filename"] and lines["covered"]:
        print("    %-32s %4d of %4d lines" % (os.path.basename(file["filename"]), lines["covered"], lines["count"]))'
}
export -f run_target
export ASAN_OPTIONS=allocator_may_return_null=0:max_allocation_size_mb=1024:detect_leaks=0
printf '%s\n' "$@" | xargs --max-procs="$(nproc)" -I{} bash -c 'run_target {}'
