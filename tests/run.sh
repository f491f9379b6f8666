#!/usr/bin/env bash
# run.sh [CTEST_OPTION...]: installs what is missing, builds everything, runs every test. PRESET=dev adds sanitizers.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cmake/debian-packages.sh
source cmake/debian-packages.sh
preset=${PRESET:-release}

install_missing "${build_packages[@]}" "${test_packages[@]}"
install_if_offered "${browser_packages[@]}"
use_ccache
cmake --preset "$preset" || fail "the build could not be configured; CMake says above what is missing"
cmake --build --preset "$preset" || fail "the build failed; the compiler says above where"
ctest --preset "$preset" --parallel "$(nproc)" "$@"
