#!/usr/bin/env bash
# What scan writes is what its schema says, as an independent validator reads it.
set -euo pipefail

python3 -c 'import jsonschema; jsonschema.Draft202012Validator' 2>/dev/null || {
    echo "skipped: python3 has no jsonschema (Debian: python3-jsonschema)"
    exit 77
}
schema=$(cd "$(dirname "${BASH_SOURCE[0]}")/../schemas" && pwd)/scan.schema.json

"$SICK_SAMPLE" sample.safetensors >/dev/null
"$WEIGHTSCOPE" scan sample.safetensors --output scan.json --quiet
python3 - "$schema" scan.json <<'END'
import json
import sys

import jsonschema


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


schema, document = (json.load(open(path, encoding="utf-8"), parse_constant=refuse) for path in sys.argv[1:])
jsonschema.Draft202012Validator.check_schema(schema)
errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(document), key=lambda e: e.json_path)
for error in errors[:10]:
    print(f"{error.json_path}: {error.message}")
sys.exit(1 if errors else 0)
END
