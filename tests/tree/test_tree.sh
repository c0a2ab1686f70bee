#!/usr/bin/env bash
# Rules of the source tree that no compiler checks. Prints a line for each breach.
#
#   tests/tree/test_tree.sh ROOT
set -euo pipefail

# NAME_OPS(Type) without a line NAME(Type …) in a table would compile and never be called.
unlisted_definitions() {
    local file macro type
    while IFS=: read -r file macro type; do
        grep -qrE --include='*.def' "^$macro\($type\b" "${file%%/*}" ||
            echo "$file: ${macro}_OPS($type) has no line $macro($type) in a .def file"
    done < <(grep -roE --include='*.c' '^[A-Z]+_OPS\(\w+' core server | sed 's/_OPS(/:/')
}

long_files() {
    local file lines
    while read -r file; do
        lines=$(wc -l <"$file")
        [[ $lines -le 500 ]] || echo "$file: $lines lines; 500 are allowed"
    done < <(find include core server tests bench -name '*.[ch]')
}

# forbidden INCLUDE REASON PATH…
forbidden() {
    grep -rnE --include='*.[ch]' "^\s*#\s*include\s*[<\"]$1" "${@:3}" | sed "s|\$|: $2|"
}

check() (
    set +o pipefail
    cd "$1"
    unlisted_definitions
    long_files
    forbidden '(core|server)/' 'the public headers stand alone' include
    forbidden '(server/|jansson|microhttpd)' 'the core knows neither JSON nor HTTP' core include
    forbidden 'core/' 'the server knows the core by include/stability alone' server
    find server -mindepth 1 -maxdepth 1 ! -name http | while read -r room; do
        forbidden 'microhttpd' 'libmicrohttpd is known to server/http alone' "$room"
    done
    :
)

# Each check is seen to find a breach before its silence counts.
breaches_of_a_bad_tree() {
    local tree
    tree=$(mktemp -d)
    mkdir -p "$tree"/{include,core/layers,server/routes,tests,bench}
    printf 'LAYER(Linear)\n' >"$tree/core/layers.def"
    printf 'LAYER_OPS(Linear) = {\n' >"$tree/core/layers/linear.c"
    printf 'LAYER_OPS(Lin) = {\n' >"$tree/core/layers/lin.c"
    printf '#include <jansson.h>\n' >"$tree/core/json.c"
    printf '#include "core/layer.h"\n' >"$tree/include/public.h"
    printf '#include "core/layer.h"\n' >"$tree/server/peeks.c"
    printf '#include <microhttpd.h>\n' >"$tree/server/routes/socket.c"
    seq 501 >"$tree/tests/long.c"
    check "$tree"
    rm -r "$tree"
}

expected=6
found=$(breaches_of_a_bad_tree)
if [[ $(wc -l <<<"$found") != "$expected" ]]; then
    printf 'of %d planted breaches these were found:\n%s\n' "$expected" "$found"
    exit 1
fi
breaches=$(check "$1")
[[ -z $breaches ]] || {
    echo "$breaches"
    exit 1
}
