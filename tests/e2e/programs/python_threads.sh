# SPDX-License-Identifier: Apache-2.0
# Needs: python3
exec python3 - <<'PY'
import threading, queue, time, concurrent.futures as cf
q = queue.Queue(); res = []; lock = threading.Lock()
def worker():
    while True:
        x = q.get()
        if x is None: break
        with lock: res.append(x * x)
        q.task_done()
ts = [threading.Thread(target=worker) for _ in range(8)]
for t in ts: t.start()
for i in range(1000): q.put(i)
q.join()
for _ in ts: q.put(None)
for t in ts: t.join()
print(sum(res), len(res))
with cf.ThreadPoolExecutor(6) as ex: print(sum(ex.map(lambda x: x + 1, range(500))))
ev = threading.Event(); threading.Timer(0.05, ev.set).start(); print(ev.wait(5))
b = threading.Barrier(4); out = []
def bar(i): b.wait(); out.append(i)
ts = [threading.Thread(target=bar, args=(i,)) for i in range(4)]
for t in ts: t.start()
for t in ts: t.join()
print(sorted(out)); print(ev.wait(0.01), threading.active_count())
c = threading.Condition(); print((lambda: (c.acquire(), c.wait(0.02), c.release())[1])())
PY
