# Insertions at named places, for softsign.sh and l2_pool.sh. The text to insert comes on standard input.
#   after FILE LINE     behind the one line of the file that is LINE, or else the one that contains it
#   before FILE LINE    in front of it
#   new FILE            a file that was not there

insert() {
    local where=$1 file=$2 line=$3 found
    found=$(grep -nxF -- "$line" "$file" || grep -nF -- "$line" "$file")
    found=$(cut -d: -f1 <<<"$found")
    if [ "$(wc -w <<<"$found")" != 1 ]; then
        echo "$file: $(wc -w <<<"$found") lines contain: $line" >&2
        exit 1
    fi
    [ "$where" = after ] || found=$((found - 1))
    sed -i "${found}r /dev/stdin" "$file"
}
after() { insert after "$@"; }
before() { insert before "$@"; }
new() {
    [ ! -e "$1" ] || { echo "$1: there is one already" >&2; exit 1; }
    cat >"$1"
}
