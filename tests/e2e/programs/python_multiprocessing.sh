# SPDX-License-Identifier: Apache-2.0
# Needs: python3
d=$(mktemp -d)
cat >"$d/mp.py" <<'PY'
import multiprocessing as mp, os
def sq(x): return x * x
def put(q, n): [q.put((n, i)) for i in range(5)]
def inc(v, n):
    for _ in range(n):
        with v.get_lock(): v.value += 1
def main():
    with mp.Pool(4) as p: print(sum(p.map(sq, range(200))), p.apply(sq, (12,)))
    q = mp.Queue(); ps = [mp.Process(target=put, args=(q, i)) for i in range(3)]
    for p in ps: p.start()
    got = sorted(q.get() for _ in range(15))
    for p in ps: p.join()
    print(got[0], got[-1], [p.exitcode for p in ps])
    v = mp.Value("i", 0); ps = [mp.Process(target=inc, args=(v, 100)) for _ in range(4)]
    for p in ps: p.start()
    for p in ps: p.join()
    print(v.value)
    a, b = mp.Pipe(); p = mp.Process(target=lambda c: (c.send(c.recv() + 1), c.close()), args=(b,)); p.start()
    a.send(41); print(a.recv()); p.join()
    with mp.Manager() as m:
        d = m.dict(); d["k"] = 1; print(dict(d))
    from multiprocessing import shared_memory
    s = shared_memory.SharedMemory(create=True, size=4096); s.buf[:4] = b"shm!"
    t = shared_memory.SharedMemory(s.name); print(bytes(t.buf[:4])); t.close(); s.close(); s.unlink()
if __name__ == "__main__": main()
PY
python3 "$d/mp.py"; status=$?
rm -rf "$d"; exit $status
