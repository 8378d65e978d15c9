#!/usr/bin/env bash
# The published graphs are read as their authors read them: the peak of the given order is theirs.
#   public.sh SNUG FOLDER
# FOLDER: the data of MOCCASIN's repository (GPL-3.0, not part of this one), file names with spaces
# and brackets or without; where it is not there, the test is skipped.
set -uo pipefail
snug=$1 folder=$2
found=0 failed=0

# peak PATTERN-of-the-file-name BYTES NODES LINKS
peak() {
    local file
    for file in "$folder"/$1; do
        [ -f "$file" ] || continue
        found=$((found + 1))
        "$snug" remat "$file" --budget 1 --json --time_limit 1 |
            tr '\n' ' ' | grep -qF "\"nodes\": $3, \"links\": $4,  \"peak_given\": $2," ||
            { echo "$file: not $3 nodes, $4 links, peak $2"; failed=1; }
    done
}

peak 'random_layered_n100_*' 46319 100 236
peak 'random_layered_n250_*' 146840 250 944
peak 'random_layered_n500_*' 284439 500 2461
peak 'random_layered_n1000_*' 608619 1000 5875
peak 'ResNet50*_train*' 38059356160 353 751
peak 'MobileNet*_train*' 34701056000 185 367
peak 'segnet*_train*' 19943884288 77 151
peak 'fcn_8_vgg*_train*' 13484795520 73 149
peak 'vgg_unet*_train*' 20959461376 71 148
[ $found -gt 0 ] || { echo "no published graphs in '$folder' (-DSNUG_REMAT_DATA=FOLDER)"; exit 77; }
echo "$found graphs"
exit $failed
