#!/usr/bin/env bash
# quickstart.sh [MODEL]: installs what is missing, builds, scans MODEL and leaves a report.
# Without MODEL a sample with known illnesses is written and scanned.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=cmake/debian-packages.sh
source "$root/cmake/debian-packages.sh"
build=$root/build/release
report=$root/build/report.json

install_missing "${build_packages[@]}"
use_ccache
(
    cd "$root"
    cmake --preset release -D WEIGHTSCOPE_BUILD_TESTS=OFF -D WEIGHTSCOPE_BUILD_BENCHMARKS=OFF
) || fail "the build could not be configured; CMake says above what is missing"
cmake --build "$build" --target weightscope_tool sick_sample || fail "the build failed; the compiler says above where"

if [ $# -gt 0 ]; then
    model=$1
else
    model=$root/build/sick_sample.safetensors
    "$build/examples/sick_sample" "$model" || fail "the sample could not be written: $model"
fi

rm -f "$report"
status=0
"$build/weightscope" scan "$model" --output "$report" || status=$?
if [ -s "$report" ]; then
    echo "Report: $report"
fi
exit "$status"
