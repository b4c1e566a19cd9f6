# SPDX-License-Identifier: Apache-2.0
# Needs: python3
python3 -c 'import sqlite3' 2>/dev/null || { echo "no sqlite3 module"; exit 0; }
exec python3 - <<'PY'
import sqlite3, tempfile, os, threading
d = tempfile.mkdtemp(); path = d + "/t.db"
c = sqlite3.connect(path); c.execute("pragma journal_mode=wal")
c.execute("create table t(id integer primary key, name text, v real)")
c.executemany("insert into t(name, v) values(?, ?)", [("n%d" % (i % 97), i * 0.5) for i in range(20000)]); c.commit()
print(c.execute("select count(*), sum(v), max(name) from t").fetchone())
c.execute("create index i on t(name)"); print(c.execute("select count(*) from t where name='n5'").fetchone())
def w(k):
    x = sqlite3.connect(path, timeout=30)
    for i in range(20): x.execute("insert into t(name, v) values(?, 0)", ("w%d" % k,)); x.commit()
ts = [threading.Thread(target=w, args=(k,)) for k in range(3)]; [t.start() for t in ts]; [t.join() for t in ts]
print(c.execute("select name, count(*) from t where name like 'w%' group by name order by name").fetchall())
try:
    c.execute("insert into t(id) values(1)")
except sqlite3.IntegrityError as e: print(e)
c.rollback(); c.close(); print(sqlite3.connect(path).execute("pragma integrity_check").fetchone())
PY
