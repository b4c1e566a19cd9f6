# SPDX-License-Identifier: Apache-2.0
# Needs: sqlite3
set -e
d=$(mktemp -d); cd "$d"
sqlite3 t.db <<'SQL'
create table t(id integer primary key, a text, b integer);
begin;
with recursive c(x) as (select 1 union all select x + 1 from c where x < 100000) insert into t select x, 'row ' || x, (x * 7919) % 10007 from c;
commit;
create index ib on t(b);
select count(*), sum(b), min(a), max(a) from t;
select b, count(*) from t group by b order by count(*) desc, b limit 5;
delete from t where id % 3 = 0;
select count(*) from t;
vacuum;
pragma integrity_check;
SQL
sqlite3 t.db .dump | sha256sum
sqlite3 t.db 'select * from nothing' 2>/dev/null || echo "status $?"
cd /; rm -rf "$d"
