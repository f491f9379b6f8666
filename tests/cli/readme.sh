#!/usr/bin/env bash
# The README shows examples/one_model.cpp and what it prints, and what the tool really prints; the page of the tool has every option
# that there is, and no other.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
root=$(dirname "${BASH_SOURCE[0]}")/../..
readme=$root/README.md
page=$root/examples/weightscope/README.md

# block N  the Nth fenced block
block() {
    awk -v wanted="$1" '/^```/ { if (inside) inside = 0; else { inside = 1; ++count }; next } inside && count == wanted' "$readme"
}

diff <(grep -v '^//' "$root/examples/one_model.cpp") <(block 1) || fail "the program differs from examples/one_model.cpp"
diff <(sed -n 's|^//     ||p' "$root/examples/one_model.cpp") <(block 2) || fail "what it prints differs from examples/one_model.cpp"
[ "$(block 1 | wc -l)" -le 15 ] || fail "the program has $(block 1 | wc -l) lines"

"$SICK_SAMPLE" sick_sample.safetensors >/dev/null || fail "no sample"
block 4 | sed 's|^|//     |' >excerpt.cpp
PATH=$(dirname "$WEIGHTSCOPE"):$PATH bash "$root/tests/example.sh" excerpt.cpp || fail "the excerpt differs from what the tool prints"

for command in inspect scan report explain compare watch quantize allocate prune "bits map" "bits select" "bits rank" "bits flip"; do
    # shellcheck disable=SC2086
    run 0 $command --help
    cat out >>helps
    prints "weightscope $command " "$readme"
    grep -o -- '^ *--[a-z-]*' out | tr -d ' ' | sort -u >offered
    while read -r option; do
        prints "\`$option" "$page"
    done <offered
done
grep -o -- '`--[a-z-]*' "$page" | tr -d '`' | sort -u >told
while read -r option; do
    prints "$option" helps
done <told

finish
