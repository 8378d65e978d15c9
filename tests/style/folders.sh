#!/usr/bin/env bash
# Each folder of tests/ has its line in tests/README.md, and each line its folder.
set -uo pipefail
cd tests || exit 1
diff <(printf '%s\n' */ | sort) <(sed -n 's/^| `\([a-z_]*\/\)` |.*/\1/p' README.md | sort) \
    || { echo "tests/README.md: < a folder without a line, > a line without a folder"; exit 1; }
echo "$(printf '%s\n' */ | wc -l) folders, each with its line"
