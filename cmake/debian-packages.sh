# shellcheck shell=bash
# What weightscope needs, by its names on Debian 12 and Ubuntu 24.04, and how to get it. Sourced by the scripts.

# shellcheck disable=SC2034  # used by the scripts
build_packages=(
    g++ cmake ninja-build
    libxtensor-dev libxtensor-blas-dev libopenblas-dev libfmt-dev libtbb-dev
    nlohmann-json3-dev libprotozero-dev zlib1g-dev libcli11-dev
)
# shellcheck disable=SC2034
test_packages=(catch2 pkg-config libzip-dev libbenchmark-dev python3 python3-jsonschema libxml2-utils)
# shellcheck disable=SC2034
browser_packages=(chromium chromium-driver)    # of one test, which is skipped without them

fail() {
    echo "weightscope: error: $*" >&2
    exit 1
}

is_installed() {
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_missing PACKAGE...  says which are missing and installs them; does nothing where none is
install_missing() {
    local package
    local -a missing=() as_root=()

    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        echo "This system has no apt; the build needs what Debian calls: $*"
        return
    fi
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "packages are missing; as root, run: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    echo "Installing these packages and what they need: ${missing[*]}"
    as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get --quiet)
    "${as_root[@]}" update || echo "weightscope: the package lists are not up to date; trying with those that are there" >&2
    "${as_root[@]}" install --yes --no-install-recommends "${missing[@]}" ||
        fail "apt-get could not install: ${missing[*]}"
}

# install_if_offered PACKAGE...  the same for what one can do without: says so where it cannot be had
install_if_offered() {
    local package
    for package in "$@"; do
        is_installed "$package" && continue
        if ! command -v apt-get >/dev/null || ! apt-get install --simulate "$package" 2>/dev/null | grep "^Inst $package " >/dev/null; then
            echo "Without $package, which this system does not offer: what needs it is skipped"
            return
        fi
    done
    (install_missing "$@") || echo "Without $*: what needs them is skipped"
}

# use_ccache  lets CMake compile through ccache where there is one that works
use_ccache() {
    if command -v ccache >/dev/null && ccache --show-stats >/dev/null 2>&1; then
        export CMAKE_CXX_COMPILER_LAUNCHER=ccache
        export CCACHE_SLOPPINESS=pch_defines,time_macros    # which precompiled headers need
    fi
}
