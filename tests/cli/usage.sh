#!/usr/bin/env bash
# Help tells everything, and wrong usage is one line and exit status 2.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"

run 0 --version
[[ $(cat out) =~ ^weightscope\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "--version printed '$(cat out)'"
cp out version
run 0 scan --version
cmp out version || fail "scan --version differs from --version"

run 0 --help
prints "Exit status:" out
prints "Examples:" out
cp out help
for command in inspect scan report explain compare watch quantize allocate prune bits; do
    prints "  $command " help
    run 0 "$command" --help
    prints "weightscope $command [OPTIONS]" out
done

# each command has examples of its own, whose options are its options
for command in inspect scan report explain compare watch quantize allocate prune "bits map" "bits select" "bits rank" "bits flip"; do
    # shellcheck disable=SC2086
    run 0 $command --version
    cmp out version || fail "$command --version differs from --version"
    # shellcheck disable=SC2086
    run 0 $command --help
    prints "Exit status:" out
    cp out page
    grep "^  weightscope " page >shown || fail "$command --help shows no example"
    grep -v "^  weightscope $command" shown && fail "$command --help shows examples of others"
    grep -o -- ' --[a-z-]*' shown | sort -u >used
    while read -r option; do
        grep -q -- "^ *$option\( \|,\|$\)" page || fail "$command --help shows $option in an example, and does not list it"
    done <used
done
rm page shown used
run 0 scan --help
prints "weightscope scan [OPTIONS] MODEL" out
for option in --spectra --weightwatcher --shuffles --seed --tap-spectra --convolution-input --include --exclude --restrict --output --csv --quiet --methods --bits --preset --threshold --top-issues --threads \
    --progress --fail-on --version --help; do
    prints "$option" out
done
run 0 inspect --help
prints "weightscope inspect [OPTIONS] MODEL" out

refuses 2 "a command is missing; see: weightscope --help"
refuses 2 "there is no command 'scann', but scan; see: weightscope --help" scann
refuses 2 "there is no command 'scna', but scan; see: weightscope --help" scna
refuses 2 "there is no command 'help'; see: weightscope --help" help
refuses 2 "there is no option '--fast'; see: weightscope --help" --fast
refuses 2 "*MODEL*required*; see: weightscope scan --help" scan
refuses 2 "*MODEL*required*; see: weightscope inspect --help" inspect
refuses 2 "there is no option '--fast'; see: weightscope scan --help" scan m.safetensors --fast
refuses 2 "there is no option '--outptu', but --output; see: weightscope scan --help" scan m.safetensors --outptu=x
refuses 2 "there is no option '--top-issue', but --top-issues; see: weightscope report --help" report scan.json --top-issue 3
refuses 2 "'more' is one argument too many; see: weightscope scan --help" scan m.safetensors more and more
refuses 2 "--bits lacks its value N; see: weightscope scan --help" scan m.safetensors --bits
refuses 2 "--bits is given 2 times; give it once; see: weightscope scan --help" scan m.safetensors --bits 4 --bits 5
for option in --output --csv --html --charts --tables --spectra --thresholds --baseline; do
    refuses 2 "$option: the name is empty, as an unset variable leaves it; see: weightscope scan --help" scan m.safetensors $option ''
done
refuses 2 "MODEL: the name is empty, as an unset variable leaves it; see: weightscope inspect --help" inspect ''
refuses 2 "--write: the name is empty, as an unset variable leaves it; see: weightscope bits flip --help" bits flip m.safetensors --write ''
refuses 2 "--interval: 'nan' is no number from 0.01 to 86400; see: weightscope watch --help" watch checkpoints --interval nan
refuses 2 "--bits-per-weight: '0' is no number above 0 and below 1e6; see: weightscope allocate --help" allocate m.safetensors --bits-per-weight 0
refuses 2 "--methods: 'spectrum' is none of basic_stats, spectral, quantization, sparsity, heavy_tail, all; see: weightscope scan --help" \
    scan m.safetensors --methods basic_stats,spectrum
refuses 2 "--bits: '1' is no whole number from 2 to 16; see: weightscope scan --help" scan m.safetensors --bits 1
refuses 2 "--bits: '4.5' is no whole number from 2 to 16; see: weightscope scan --help" scan m.safetensors --bits 4.5
refuses 2 "--threads: '0' is no whole number from 1 to 1024; see: weightscope scan --help" scan m.safetensors --threads 0
refuses 2 "--top-issues: 'ten' is no whole number from 0 to 1000000000; see: weightscope scan --help" scan m.safetensors --top-issues ten
refuses 2 "--progress: 'yes' is none of auto, always, never; see: weightscope scan --help" scan m.safetensors --progress yes
refuses 2 "--fail-on: 'info' is none of critical, warning, never; see: weightscope scan --help" scan m.safetensors --fail-on info
refuses 2 "--preset: 'strict' is none of default, classic, heavy-tail; see: weightscope scan --help" scan m.safetensors --preset strict
refuses 2 "--include: '(' is no regular expression; put a backslash before*" scan m.safetensors --include '('
refuses 2 "--exclude: 'a[' is no regular expression; put a backslash before*" inspect m.safetensors --exclude 'a['
refuses 2 "--threshold: 'outliers' lacks a '.' or a '='; write RULE.LEVEL=LIMIT, as *" scan m.safetensors --threshold outliers
refuses 2 "--threshold: 'loud.warning=1' names none of the rules *outliers*; write *" scan m.safetensors --threshold loud.warning=1
refuses 2 "--threshold: 'outliers.fatal=1' names the level 'fatal', expected info, warning or critical; write *" \
    scan m.safetensors --threshold outliers.fatal=1
refuses 2 "--threshold: 'outliers.warning=much' has the limit 'much', expected a number or none; write *" \
    scan m.safetensors --threshold outliers.warning=much
refuses 2 "--spectra: '-' is no file name; an archive cannot go to stdout; see: weightscope scan --help" scan m.safetensors --spectra -
refuses 2 "--shuffles: 'all' is no whole number from 0 to 1000; see: weightscope scan --help" scan m.safetensors --shuffles all
refuses 2 "--convolution-input: '0' is no whole number from 1 to 4096; see: weightscope scan --help" scan m.safetensors --convolution-input 0
refuses 2 "--csv and --weightwatcher both name 'x'; give each its own file" scan m.safetensors --csv x --weightwatcher x
refuses 2 "--output and --csv both name 'x'; give each its own file" scan m.safetensors --output x --csv x
nothing_but help version

finish
