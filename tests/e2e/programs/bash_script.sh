#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Needs: bash
# A script of the shell's own features: pipes, here-documents, traps, subshells, substitution.
set -u
work=$(mktemp -d)
cd "$work" || exit 1
trap 'echo "exit trap: status $?"; cd /; rm -rf "$work"' EXIT

say() { printf '%s: %s\n' "$1" "$2"; }

# Pipes and their statuses
seq 1 200 | grep 7 | sort -rn | head -n 5 | tr '\n' ' '
echo
false | true | (exit 3) | true
echo "pipestatus: ${PIPESTATUS[*]}"
yes | head -n 3
set -o pipefail
yes 2>/dev/null | head -n 1 >/dev/null
say "pipefail" $?
set +o pipefail

# Here-documents and here-strings
name=world
cat <<END
hello $name $((6 * 7))
	tab kept
END
cat <<'END'
no $expansion `here`
END
cat <<-END
	tabs stripped
	END
tr a-z A-Z <<<"here string"
wc -l < <(printf 'a\nb\nc\n')

# Process substitution
diff <(printf '1\n2\n3\n') <(printf '1\n4\n3\n')
say "diff" $?
paste <(seq 3) <(seq 4 6)
tee >(wc -c >count) >/dev/null <<<"12345"
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -s count ] && break; sleep 0.05; done
say "tee" "$(tr -d ' ' <count)"

# Subshells, variables, arithmetic
x=1
(x=2; echo "inner $x"; exit 5)
say "subshell" "$? x=$x"
y=$(echo captured; exit 4)
say "substitution" "$? $y"
declare -A map=([one]=1 [two]=2 [three]=3)
for k in one two three; do printf '%s=%s ' "$k" "${map[$k]}"; done
echo
arr=(a b "c d" e)
say "array" "${#arr[@]} ${arr[2]} ${arr[@]: -1}"
s="the quick brown fox"
say "string" "${s#the } ${s%fox} ${s//o/0} ${s:4:5} ${#s}"
printf '%05d|%-6s|%6.2f|%x\n' 42 left 3.14159 255

# Traps and signals
trap 'echo got USR1' USR1
kill -USR1 $$
trap 'echo got TERM in child; exit 7' TERM
( trap 'echo child trap; exit 9' TERM; kill -TERM $BASHPID; sleep 5 )
say "child" $?
trap - TERM USR1
sleep 30 &
bg=$!
kill -KILL $bg
wait $bg 2>/dev/null
say "killed" $?
(exit 42) &
wait $!
say "background" $?

# Jobs in parallel, a FIFO between them
mkfifo fifo
(for i in 1 2 3; do echo "line $i"; done >fifo) &
while read -r line; do echo "read $line"; done <fifo
wait

# Files, globs, tests, loops, functions
mkdir -p a/b/c && touch a/1.txt a/2.txt a/b/3.txt
echo a/*.txt
shopt -s globstar
echo a/**/*.txt
[ -d a/b ] && [ ! -e a/none ] && echo "tests ok"
case "file.tar.gz" in *.gz) echo gz ;; *) echo other ;; esac
fact() { [ "$1" -le 1 ] && echo 1 || echo $(($1 * $(fact $(($1 - 1))))); }
say "factorial" "$(fact 10)"
i=0; until [ $i -ge 3 ]; do i=$((i + 1)); done; say "until" $i
exec 5>out; echo "to fd 5" >&5; exec 5>&-; cat out
{ echo err >&2; echo out; } 2>&1 | sort
ulimit -c 0; say "ulimit" "$(ulimit -c)"
eval 'z=9; echo eval $z'
read -r first rest <<<"one two three"; say "read" "$first/$rest"
getopts_test() { while getopts ab: o; do echo "opt $o ${OPTARG-}"; done; }
getopts_test -a -b val
printf 'b\na\nc\n' | while read -r l; do echo "l=$l"; done | sort | xargs
bash -c 'echo "$0 $1 $#"' arg0 arg1
exit 17
