#!/usr/bin/env bash
# What scan writes is what its schema says, as an independent validator reads it.
set -u
# shellcheck source=tests/cli/check.bash
source "$(dirname "${BASH_SOURCE[0]}")/check.bash"
python3 -c 'import jsonschema; jsonschema.Draft202012Validator' 2>/dev/null || {
    echo "skipped: python3 has no jsonschema (Debian: python3-jsonschema)"
    exit 77
}
schema=$(dirname "${BASH_SOURCE[0]}")/../schemas/scan.schema.json

"$SICK_SAMPLE" m.safetensors >/dev/null || fail "no sample"
run 0 scan m.safetensors --output all.json
run 0 scan m.safetensors --methods basic_stats --preset classic --output some.json
python3 - "$schema" all.json some.json <<'PYTHON' || fail "the document is not what the schema says"
import json
import sys

import jsonschema


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


schema, *documents = (json.load(open(path, encoding="utf-8"), parse_constant=refuse) for path in sys.argv[1:])
jsonschema.Draft202012Validator.check_schema(schema)
errors = [e for document in documents for e in jsonschema.Draft202012Validator(schema).iter_errors(document)]
for error in errors[:10]:
    print(f"{error.json_path}: {error.message}")
sys.exit(1 if errors else 0)
PYTHON
finish
