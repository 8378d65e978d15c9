#!/usr/bin/env bash
# Every header compiles alone: headers.sh CC
set -uo pipefail
broken=0
for header in $(find grammar compiler runtime -name "*.h" | sort); do
    "${1:-cc}" -std=c11 -fsyntax-only -Wall -Wextra -Werror -I. -x c "$header" || broken=1
done
exit $broken
