#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# SPDX-License-Identifier: Apache-2.0
# um-split.bats - manifests parted: who goes where, what is kept, what is refused in one line

setup() {
    cd "$BATS_TEST_TMPDIR" || exit 1
    { printf 'label.a\tkey\tpatient\timage\n'
      for i in 9 8 7 6 5 4 3 2 1 0; do printf '1\tb%s\tp%s\tx\n0\ta%s\tp%s\ty\n' $i $i $i $i; done; } >m.tsv
}

split_of() { awk -F '\t' -v want="$1" 'NR > 1 && $5 == want { print $2 }' "$2" | tr '\n' ' '; }

@test "patients stay together, in the order of their names" { # seed 0: 2 8 4 9 1 6 7 3 0 5
    um-split --seed 0 --test 0.3 m.tsv >out.tsv 2>err
    [ "$(cat err)" = 'um-split: 14 rows to train, 0 valid, 6 test' ]
    [ "$(head -n 1 out.tsv)" = "$(printf 'label.a\tkey\tpatient\timage\tsplit')" ]
    [ "$(split_of test out.tsv)" = 'b8 a8 b4 a4 b2 a2 ' ]
    cmp <(cut -f 1-4 out.tsv) m.tsv
}

@test "two parts, counts, the order drawn" { # 2 8 4 9 held out, permuted to 4 9 8 2
    um-split -q --seed 0 --valid 0.2 --test 0.2 --drawn m.tsv >shares.tsv
    um-split -q --seed 0 --valid 4 --test 4 --drawn <m.tsv >counts.tsv
    cmp shares.tsv counts.tsv
    [ "$(cut -f 2 shares.tsv | tail -n 8 | tr '\n' ' ')" = 'b4 a4 b9 a9 b8 a8 b2 a2 ' ]
    [ "$(split_of valid shares.tsv)" = 'b4 a4 b9 a9 ' ]
}

@test "by row, by another column, a subset of what trains" {
    um-split -q --seed 0 --by row --valid 2 m.tsv >rows.tsv
    [ "$(awk -F '\t' '$5 == "valid"' rows.tsv | wc -l)" = 2 ]
    um-split -q --by label.a --test 0.5 m.tsv >label.tsv
    [ "$(awk -F '\t' '$5 == "test" { print $1 }' label.tsv | sort | uniq -c | wc -l)" = 1 ]
    um-split -q --seed 0 --valid 0.3 m.tsv | um-split -q --subset 0.5 --round ceil >half.tsv
    [ "$(split_of valid half.tsv)" = 'b8 a8 b4 a4 b2 a2 ' ]
    [ "$(awk -F '\t' '$5 == "train"' half.tsv | wc -l)" = 8 ]
}

@test "rows with a part keep it; a patient in two is said" {
    awk -F '\t' -v OFS='\t' '{ print $0, NR == 1 ? "split" : $2 ~ /^a[012]/ ? "test" : "" }' m.tsv >fixed.tsv
    um-split --seed 0 --valid 0.2 -o out.tsv fixed.tsv 2>err
    [ "$(split_of test out.tsv)" = 'a2 a1 a0 ' ]
    [ "$(awk -F '\t' '$5 == "valid"' out.tsv | wc -l)" -ge 2 ]
    grep -q '3 of column patient are in more than one part, as the manifest had them' err
}

@test "numbers alone" {
    [ "$(um-split --permutation 10 --seed 0 | tr '\n' ' ')" = '2 8 4 9 1 6 7 3 0 5 ' ]
    [ "$(um-split --permutation 10 --first 3 --seed 42 | tr '\n' ' ')" = '8 1 5 ' ]
    [ "$(um-split --permutation 3 --first 3 | wc -l)" = 3 ]
    run um-split --permutation 3 --first 4
    [ "$status" = 2 ]
    [[ $output == *'--first 4: --permutation gives 3 numbers'* ]]
    run um-split --valid 0.5 --first 4 m.tsv
    [ "$status" = 2 ]
    [[ $output == *'--first goes with --permutation'* ]]
}

@test "what cannot be parted: one line, no output" {
    fails() { # STATUS TEXT ARGUMENTS...
        local want=$1 text=$2
        shift 2
        run --separate-stderr um-split "$@"
        [ "$status" = "$want" ] && [[ $stderr == *"$text"* ]] && [ -z "$output" ] || false
    }
    fails 1 'train would get 0' --test 20 m.tsv
    fails 1 'no column study to keep together' --by study --test 0.5 m.tsv
    fails 2 'um-split: valid 0.5 and test 4: both shares (below 1) or both numbers' --valid 0.5 --test 4 m.tsv
    # 0.6 + 0.6 was taken for 1.2 rows: two of them were held out
    fails 2 'um-split: valid 0.6 and test 0.6: shares must sum to less than 1' --valid 0.6 --test 0.6 m.tsv
    fails 2 'um-split: valid 0.3 and test 0.7: shares must sum to less than 1' --valid 0.3 --test 0.7 m.tsv
    fails 2 'um-split: valid 1.5: a share is below 1, a number of rows is whole' --valid 1.5 m.tsv
    fails 2 'um-split: test 2.5: a share is below 1, a number of rows is whole' --test 2.5 m.tsv
    fails 2 'nothing to do' m.tsv
    printf 'key\tpatient\timage\nk\t\tx\n' >empty.tsv
    fails 1 'line 2 has no patient' --test 0.5 empty.tsv
    printf 'key\tpatient\timage\tsplit\nk\tp\tx\tdev\n' >dev.tsv
    fails 1 'line 2: split "dev": expected train, valid or test' --test 0.5 dev.tsv
    fails 1 'no such file' --test 0.5 nowhere.tsv
}
