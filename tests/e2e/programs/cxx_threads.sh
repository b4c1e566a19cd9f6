# SPDX-License-Identifier: Apache-2.0
# Needs: g++ gcc
set -e
d=$(mktemp -d); cd "$d"
cat >t.cc <<'CC'
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <stdexcept>
int main() {
    std::atomic<long> sum{0}; std::mutex m; std::map<int, std::string> names; std::vector<std::thread> ts;
    for (int k = 0; k < 6; k++) ts.emplace_back([&, k] { for (int i = 0; i < 20000; i++) sum += i % (k + 2); std::lock_guard<std::mutex> g(m); names[k] = "t" + std::to_string(k); });
    for (auto &t : ts) t.join();
    printf("%ld %zu %s\n", sum.load(), names.size(), names[5].c_str());
    auto f = std::async(std::launch::async, [](int x) { return x * 2; }, 21); printf("%d\n", f.get());
    std::condition_variable cv; bool ready = false; std::thread w([&] { std::unique_lock<std::mutex> l(m); cv.wait(l, [&] { return ready; }); puts("woken"); });
    { std::lock_guard<std::mutex> g(m); ready = true; } cv.notify_one(); w.join();
    try { throw std::runtime_error("thrown"); } catch (const std::exception &e) { puts(e.what()); }
    thread_local int tl = 5; std::thread([] { tl = 6; }).join(); printf("%d\n", tl); return 4;
}
CC
g++ -O1 -pthread -Wall -o t t.cc
set +e; ./t; echo "status $?"; set -e
printf 'int main(void){return __builtin_popcount(255);}' >c.c; gcc -o c c.c; ./c || echo "c status $?"
gcc -o bad nofile.c 2>/dev/null || echo "gcc failed as it should"
cd /; rm -rf "$d"
