# SPDX-License-Identifier: Apache-2.0
# Needs: python3
exec python3 - <<'PY'
import subprocess, os, signal, sys, tempfile, select, socket, time
print(subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout.strip())
p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(len(p.communicate(b"x" * 300000)[0]), p.returncode)
print(subprocess.run(["sh", "-c", "exit 7"]).returncode)
p = subprocess.Popen(["sleep", "60"]); p.send_signal(signal.SIGTERM); print(p.wait())
try: subprocess.run(["sleep", "60"], timeout=0.1)
except subprocess.TimeoutExpired: print("timeout")
try: subprocess.run(["/no/such/program"])
except FileNotFoundError as e: print(e.errno)
print(subprocess.check_output("echo $A | tr a-z A-Z", shell=True, env={"A": "abc", "PATH": os.environ["PATH"]}).decode().strip())
r, w = os.pipe(); pid = os.fork()
if pid == 0: os.write(w, b"child"); os._exit(3)
os.close(w); print(os.read(r, 100), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
a, b = socket.socketpair(); a.sendall(b"ping"); print(b.recv(10), select.select([b], [], [], 0)[0])
s = socket.socket(socket.AF_UNIX); d = tempfile.mkdtemp(); s.bind(d + "/s"); s.listen()
c = socket.socket(socket.AF_UNIX); c.connect(d + "/s"); k, _ = s.accept(); k.sendall(b"pong"); print(c.recv(10))
signal.signal(signal.SIGALRM, lambda *x: print("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(0.3)
print(os.path.basename(os.readlink("/proc/self/exe")).startswith("python"), len(os.listdir("/proc/self/fd")) > 2)
os.makedirs(d + "/x/y"); open(d + "/x/y/f", "w").write("data"); os.rename(d + "/x", d + "/z"); print(open(d + "/z/y/f").read())
import shutil; shutil.rmtree(d); print(os.path.exists(d))
PY
