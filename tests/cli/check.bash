# shellcheck shell=bash
# How the tests of the command-line tool check. Each runs in a folder of its own and ends with: finish

failed=0

for program in "$WEIGHTSCOPE" "$SICK_SAMPLE"; do
    [ -x "$program" ] || {
        echo "there is no program $program"
        exit 1
    }
done

fail() {
    echo "FAILED: $*"
    failed=1
}

finish() {
    exit "$failed"
}

# run STATUS ARGUMENT...  runs the tool; what it printed lies in the files out and err
run() {
    local expected=$1 status=0
    shift
    "$WEIGHTSCOPE" "$@" >out 2>err </dev/null || status=$?
    [ "$status" -eq "$expected" ] || fail "weightscope $*: exit status $status, expected $expected; $(head -c 1000 err)"
}

# refuses STATUS MESSAGE ARGUMENT...  the tool prints nothing but one line on stderr, which MESSAGE, a pattern, matches
refuses() {
    local expected=$1 message="weightscope: error: $2" printed
    shift 2
    run "$expected" "$@"
    printed=$(cat err)
    # shellcheck disable=SC2053  # a pattern
    [[ $printed == $message ]] || fail "weightscope $*: printed '$printed', expected '$message'"
    [ "$(wc -l <err)" -eq 1 ] || fail "weightscope $*: $(wc -l <err) lines on stderr, expected one"
    [ ! -s out ] || fail "weightscope $*: '$(head -n 1 out)' on stdout, expected nothing"
}

# prints TEXT FILE  the file holds this text
prints() {
    grep -qF -- "$1" "$2" || fail "no '$1' in $2: $(head -c 1000 "$2")"
}

# nothing_but FILE...  the folder holds these files besides out and err, and none that was left behind
nothing_but() {
    local found
    found=$(find . -mindepth 1 -maxdepth 1 ! -name out ! -name err -printf '%f\n' | sort | tr '\n' ' ')
    [ "$found" = "$(printf '%s\n' "$@" | sort | tr '\n' ' ')" ] || fail "the folder holds: ${found}expected: $*"
}

# needs_python  skips the test where there is no Python
needs_python() {
    python3 -c 'import json' 2>/dev/null || {
        echo "skipped: python3 is not there"
        exit 77
    }
}

# fits_schema FILE SCHEMA  where Python's jsonschema is there, the file is as tests/schemas/SCHEMA.schema.json says
fits_schema() {
    local schema
    schema=$(dirname "${BASH_SOURCE[0]}")/../schemas/$2.schema.json
    if python3 -c 'import jsonschema' 2>/dev/null; then
        python3 -c '
import json, jsonschema, sys
schema = json.load(open(sys.argv[2]))
jsonschema.Draft202012Validator.check_schema(schema)
jsonschema.validate(json.load(open(sys.argv[1])), schema, jsonschema.Draft202012Validator)' "$1" "$schema" || fail "$1 does not fit $schema"
    fi
}

# random_model FILE LAYERS SIZE [PREFIX]  writes square matrices of random 8-bit integers, named PREFIX.0.weight...
random_model() {
    python3 - "$@" <<'PYTHON'
import json, random, struct, sys

path, layers, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
prefix = sys.argv[4] if len(sys.argv) > 4 else "layer"
count, stream, header = size * size, random.Random(prefix), {}
for i in range(layers):
    header[f"{prefix}.{i}.weight"] = {"dtype": "I8", "shape": [size, size], "data_offsets": [i * count, (i + 1) * count]}
text = json.dumps(header).encode()
with open(path, "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    for i in range(layers):
        file.write(stream.randbytes(count))
PYTHON
}
