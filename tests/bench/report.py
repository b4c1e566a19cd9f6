#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the rows that run.sh measured into a table, $O/bench/results.json and $O/bench/ratios.svg."""
import argparse
import datetime
import json
import math
import os
import platform
import statistics
import sys

import plot

UNITS = {
    "micro": "ns an operation",
    "micro_busy": "ns an operation, every processor busy with other work",
    "start": "ms from start to end of a program",
    "jobs": "ms a job, inside a fresh sandbox, without its start",
    "idle": "an idle sandbox",
    "kernel": "ns an operation, in the sentry without a guest",
}


# Not in the mean: its answer may be kept beside the guest, so that its ratio says nothing of system calls.
NOT_IN_MEAN = {"getpid"}


def read_rows(path):
    """{group: {operation: {runtime: [values]}}}, in the order of appearance."""
    groups = {}
    with open(path, encoding="utf-8") as rows:
        for line in rows:
            group, op, runtime, _round, value = line.rstrip("\n").split("\t")
            groups.setdefault(group, {}).setdefault(op, {}).setdefault(runtime, []).append(float(value))
    return groups


def read_failures(path):
    """Each failure once: [{group, operation, runtime, why, times}]."""
    seen = {}
    with open(path, encoding="utf-8") as rows:
        for line in rows:
            key = tuple(line.rstrip("\n").split("\t"))
            seen[key] = seen.get(key, 0) + 1
    return [dict(zip(("group", "operation", "runtime", "why"), k), times=n) for k, n in seen.items()]


def machine():
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as cpus:
            model = next((x.split(":", 1)[1].strip() for x in cpus if x.startswith("model name")), "")
    except OSError:
        pass
    return {"cpu": model, "processors": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def summarise(groups):
    """Medians, their spread over the rounds, ratios to native."""
    out = {}
    for group, ops in groups.items():
        result = {"unit": UNITS.get(group, ""), "operations": {}}
        for op, runtimes in ops.items():
            native = statistics.median(runtimes["native"]) if "native" in runtimes else None
            result["operations"][op] = {
                name: {"median": statistics.median(v), "min": min(v), "max": max(v), "samples": len(v),
                       "ratio": statistics.median(v) / native if native and name != "native" else None}
                for name, v in runtimes.items()}
        names = {n for x in result["operations"].values() for n in x}
        result["geometric_mean_ratio"] = {
            n: geometric_mean([x[n]["ratio"] for op, x in result["operations"].items()
                               if op not in NOT_IN_MEAN and n in x and x[n]["ratio"]]) for n in names if n != "native"}
        out[group] = result
    return out


def number(value):
    if value is None:
        return "-"
    if value >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(group, result, runtimes):
    ops = result["operations"]
    columns = [r for r in runtimes + ["one_thread", "two_threads"] if any(r in x for x in ops.values())]
    ratios = [r for r in columns if r != "native"] if "native" in columns else []
    head = [result["unit"]] + columns + [r + " ×" for r in ratios]
    rows = []
    for op, values in ops.items():
        cell = {r: values.get(r, {}) for r in columns}
        rows.append([op] + [number(cell[r].get("median")) for r in columns]
                    + [number(cell[r].get("ratio")) for r in ratios])
    if ratios and len(rows) > 1:
        mean = result["geometric_mean_ratio"]
        rows.append(["geometric mean" + (" (no getpid)" if NOT_IN_MEAN & ops.keys() else "")] + [""] * len(columns) + [number(mean.get(r)) for r in ratios])
    widths = [max(len(r[i]) for r in [head] + rows) for i in range(len(head))]
    lines = []
    for r in [head] + rows:
        lines.append("  ".join([r[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(r[1:], widths[1:])]).rstrip())
    return "\n".join(lines) + "\n"


def unsteady(groups, times=1.5):
    """Native operations whose samples are further apart than that: (how many, of how many)."""
    native = [op["native"] for g in groups.values() for op in g["operations"].values()
              if op.get("native", {}).get("samples", 0) > 1 and op["native"]["min"] > 0]
    return sum(v["max"] > times * v["min"] for v in native), len(native)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--raw", required=True)
    args.add_argument("--failed", required=True)
    args.add_argument("--out", required=True)
    args.add_argument("--runtimes", required=True)
    args.add_argument("--note", action="append", default=[])
    args = args.parse_args()
    runtimes = args.runtimes.split()
    groups = summarise(read_rows(args.raw))
    failures = read_failures(args.failed)
    results = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "conditions": dict(n.split("=", 1) for n in args.note),
        "runtimes": runtimes,
        "groups": groups,
        "failures": failures,
        "unsteady_native": unsteady(groups),
    }
    with open(os.path.join(args.out, "results.json"), "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    with open(os.path.join(args.out, "ratios.svg"), "w", encoding="utf-8") as f:
        f.write(plot.ratios(results))

    text = ", ".join(f"{k} {v}" for k, v in {**results["machine"], **results["conditions"]}.items())
    text = f"{results['date']}: {text}\n"
    for group, result in groups.items():
        text += "\n" + table(group, result, runtimes)
    loose, measured = unsteady(groups)
    if loose * 10 > measured:
        text += (f"\nunsteady: {loose} of {measured} native figures differ by more than 1.5 times within this run.\n"
                 "Something else used the machine; ratios and their order may be wrong.\n")
    load = float(results["conditions"].get("load_at_start", "0").split()[0])
    if load > results["machine"]["processors"] / 2:
        text += f"\nThe machine was not idle at the start: load average {load}.\n"
    if failures:
        text += "\nfailed:\n"
        for f in failures:
            times = f" ({f['times']} times)" if f["times"] > 1 else ""
            text += f"  {f['runtime']}, {f['operation']}: {f['why']}{times}\n"
    with open(os.path.join(args.out, "results.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    print(text)
    print(f"In {args.out}: results.txt, results.json, ratios.svg, raw.tsv")
    return 0 if groups else 1


if __name__ == "__main__":
    sys.exit(main())
