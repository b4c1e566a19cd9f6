#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The whole-program jobs. Runs inside whatever is measured: jobs.sh NAME... prints "NAME MILLISECONDS" for each,
# jobs.sh --list the names. Preparation (setup_NAME) and the check of the result (verify_NAME) are not timed.
# Environment: SCRATCH = where files are written (default /tmp).
set -u

all="fork_exec_100 python_imports node_start gcc_hello find_files tar_small_files untar grep_include
sqlite_200k dd_256m git_700"
trees=/usr/include

job_fork_exec_100() { sh -c 'i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done'; }

job_python_imports() { python3 -c 'import asyncio, http.server, multiprocessing, unittest, xml.dom.minidom'; }

job_node_start() { node -e "console.log(1)" >out; }
verify_node_start() { grep -qx 1 out; }

setup_gcc_hello() { printf '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n' >hello.c; }
job_gcc_hello() { gcc -O1 -o hello hello.c && ./hello >out; }
verify_gcc_hello() { grep -qx hello out; }

# Folders that we may not read are no failure.
job_find_files() { find /usr/share -type f >out 2>/dev/null || :; }
verify_find_files() { [ "$(wc -l <out)" -gt 1000 ]; }

job_tar_small_files() { tar -C / -cf files.tar "${trees#/}"; }
verify_tar_small_files() { [ -s files.tar ]; }

setup_untar() { job_tar_small_files; }
job_untar() { mkdir to && tar -C to -xf files.tar; }
verify_untar() { [ -e "to$trees/stdio.h" ]; }

job_grep_include() { grep -r there_is_no_such_identifier "$trees" >out; [ $? = 1 ]; }

job_sqlite_200k() {
    sqlite3 db >out <<'SQL'
create table t(id integer primary key, a text, b integer);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000)
insert into t select i, 'row number ' || i, (i * 7919) % 100003 from n;
commit;
create index t_b on t(b);
select count(*) from t where b < 50000;
SQL
}
verify_sqlite_200k() { [ "$(cat out)" -gt 90000 ]; }

job_dd_256m() {
    dd if=/dev/zero of=big bs=64k count=4096 2>/dev/null && dd if=big of=/dev/null bs=64k 2>/dev/null
}
verify_dd_256m() { [ "$(wc -c <big)" = 268435456 ]; }

setup_git_700() {
    local i
    for ((i = 0; i < 700; i++)); do
        [ $((i % 100)) = 0 ] && mkdir "d$((i / 100))"
        printf 'file %d\n%0512d\n' $i $i >"d$((i / 100))/f$i"
    done
}
job_git_700() {
    git init -q . && git add . && git -c user.name=n -c user.email=e@example.org commit -q -m all &&
        git status --porcelain >.git/status
}
verify_git_700() { [ ! -s .git/status ] && [ "$(git ls-files | wc -l)" = 700 ]; }

# The program that a job cannot do without.
needs() {
    case $1 in
    python_imports) echo python3 ;;
    node_start) echo node ;;
    gcc_hello) echo gcc ;;
    find_files) echo find ;;
    tar_small_files | untar) echo tar ;;
    grep_include) echo grep ;;
    sqlite_200k) echo sqlite3 ;;
    dd_256m) echo dd ;;
    git_700) echo git ;;
    *) echo sh ;;
    esac
}

optional() { # calls the function if there is one
    ! declare -F "$1" >/dev/null || "$1"
}

run_job() {
    local name=$1 start end
    command -v "$(needs "$name")" >/dev/null || { echo "$name: no $(needs "$name")" >&2; return 1; }
    optional "setup_$name" || { echo "$name: the preparation failed" >&2; return 1; }
    start=${EPOCHREALTIME/[.,]/}
    "job_$name" || { echo "$name: the program failed" >&2; return 1; }
    end=${EPOCHREALTIME/[.,]/}
    optional "verify_$name" || { echo "$name: the result is wrong" >&2; return 1; }
    printf '%s %d.%03d\n' "$name" $(((end - start) / 1000)) $(((end - start) % 1000))
}

if [ "${1-}" = --list ]; then
    echo $all
    exit
fi
work=$(mktemp -d "${SCRATCH:-/tmp}/cvisor-bench.XXXXXX") || exit 1
export HOME=$work
trap 'cd /; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
status=0
[ $# = 0 ] && set -- $all
for name; do
    mkdir "$work/$name" && cd "$work/$name" || exit 1
    run_job "$name" || status=1
    cd / && rm -rf "${work:?}/$name"
done
exit $status
