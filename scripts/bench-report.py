#!/usr/bin/env python3
"""Writes the figures of a bench run into docs/benchmarks.md, with plots in docs/images.

Usage: scripts/bench-report.py RESULTS LOAD [COMMIT [NOTE]], where RESULTS is what the benches wrote (a
JSON object a line) and LOAD the machine's load average before them. COMMIT is what was measured, if
that is not the checkout as it is now; NOTE says how, if it was not one run of make bench. Only what is between the two markers of the
document is replaced. Needs nothing but Python 3.8.
"""

import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/benchmarks.md"
IMAGES = ROOT / "docs/images"
BEGIN = "<!-- begin: written by make bench -->"
END = "<!-- end: written by make bench -->"

# Each part: its name in the results, heading, and what its figures are.
PARTS = [
    ("programs", "A packet of a hot flow, crafted",
     "Nanoseconds of a program on one small packet (`BPF_PROG_TEST_RUN`), net of an empty program. "
     "Forwarded ones, and the node's own without a socket, whose owner is looked up."),
    ("scattered", "A packet of another flow each time, crafted",
     "The same, but every packet has another service port: nothing is hot."),
    ("traffic", "A packet under real traffic",
     "Small datagrams that a node forwards, by the kernel's own statistics of run time."),
    ("throughput", "Throughput with and without",
     "Between pods of two nodes; the programs are attached in both nodes, or in none."),
    ("verifier", "Size of the programs", "As the kernel tells after loading."),
    ("load", "Loading", "All four programs with their maps, verified by the kernel."),
    ("drain", "Draining a window",
     "Switching to the other maps, waiting until nobody writes the old ones, reading; then "
     "emptying them."),
    ("agent memory", "Memory of the agent",
     "The program on a node of the test cluster; the kernel's memory of its maps beside it."),
    ("wire", "Wire format", "A typical batch of 20,000 flows."),
    ("ingest", "Ingest on one processor",
     "From body to ledger: decoding, resolving, adding; with a flow log until it is written. "
     "Bare decode is the same bodies, only decoded."),
    ("processors", "Ingest on all processors",
     "The windows of many nodes shared out to a thread for each processor, in turns with one thread for "
     "all."),
    ("durable", "On disk before it is acknowledged",
     "The windows of many nodes on their way at once, with a store and without, in turns; and how long "
     "a thousand agents wait for the disk."),
    ("latency", "Answers under half load", "Requests through the router, at even distances."),
    ("metrics", "A page of metrics",
     "A copy of the ledger and the page of it. Bare encode is prometheus-client writing the same "
     "samples."),
    ("server memory", "Memory of the server", "The program, told of its pods by an API server."),
    ("topology memory", "Memory of a large cluster's topology",
     "What the index takes for 5,000 nodes and 150,000 pods of ten a workload, each row with the ones "
     "above, divided by the pods that run."),
    ("topology lookup", "Lookups in it",
     "One after another, in an order that no cache foresees, but for the 100 addresses; of a batch, all "
     "at once. Processor time of the thread."),
    ("topology relist", "Readers while it changes",
     "One thread tells all of it, as fast as it can; another looks up batches of 3,000 addresses, and "
     "its longest wait for the index counts."),
]

# Plots: file, part, title, figures drawn as bars, and whether less is better.
PLOTS = [
    ("bench-packet.svg", ["programs", "scattered", "traffic"],
     "Nanoseconds a packet, net of an empty program", ["net ns", "yardstick's net ns"],
     ["kubezonnet", "yardstick: the plain way"]),
    ("bench-ingest.svg", ["ingest"], "Million entries a second on one processor",
     ["million entries/s", "bare decode, million/s"], ["kubezonnet", "bare decode"]),
    ("bench-metrics.svg", ["metrics"], "Milliseconds for a page of metrics",
     ["OpenMetrics ms", "bare encode ms"], ["kubezonnet", "bare encode"]),
]
COLORS = ["#2563eb", "#9ca3af"]


def number(value):
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def cell(figure):
    text = number(figure["value"])
    if figure["at_most"] is not None and figure["value"] > figure["at_most"]:
        return f"**{text}** (to be ≤ {number(figure['at_most'])})"
    if figure["at_least"] is not None and figure["value"] < figure["at_least"]:
        return f"**{text}** (to be ≥ {number(figure['at_least'])})"
    if figure["at_most"] is not None:
        return f"{text} (≤ {number(figure['at_most'])})"
    if figure["at_least"] is not None:
        return f"{text} (≥ {number(figure['at_least'])})"
    return text


def table(rows):
    names = [figure["name"] for figure in rows[0]["figures"]]
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for row in rows:
        cells = [cell(figure) for figure in row["figures"]]
        lines.append(f"| {row['subject']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine(commit):
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    commit = commit or subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT,
                                      text=True, capture_output=True).stdout.strip()
    return (f"{cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} processors, "
            f"{int(memory.group(1)) / 1e6:.0f} GB; Linux {platform.release()}; "
            f"commit {commit}, release profile")


def plot(title, rows, figures, legend):
    left, bar, gap, width = 330, 13, 12, 860
    scale = max(f["value"] for row in rows for f in row["figures"] if f["name"] in figures)
    height = 70 + len(rows) * (bar * len(figures) + gap)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           f'font-family="sans-serif" font-size="12" role="img" aria-label="{escape(title)}">',
           f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
           f'<text x="14" y="24" font-size="15" font-weight="bold">{escape(title)}</text>']
    x = 14
    for name, color in zip(legend, COLORS):
        out.append(f'<rect x="{x}" y="36" width="11" height="11" fill="{color}"/>'
                   f'<text x="{x + 16}" y="46">{escape(name)}</text>')
        x += 34 + 7 * len(name)
    y = 62
    for row in rows:
        middle = y + bar * len(figures) / 2 + 4
        label = escape(row["label"])
        out.append(f'<text x="{left - 8}" y="{middle:.0f}" text-anchor="end">{label}</text>')
        values = {figure["name"]: figure for figure in row["figures"]}
        for name, color in zip(figures, COLORS):
            figure = values[name]
            length = max(1.0, figure["value"] / scale * (width - left - 70))
            out.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" '
                       f'fill="{color}"/><text x="{left + length + 5:.1f}" y="{y + bar - 3}" '
                       f'font-size="11">{number(figure["value"])}</text>')
            y += bar
        y += gap
    return "\n".join(out + ["</svg>", ""])


def main():
    results, load, commit, note = (sys.argv[1:] + [""] * 2)[:4]
    rows = [json.loads(line) for line in pathlib.Path(results).read_text().splitlines()]
    text = [f"Measured {datetime.date.today().isoformat()} on {machine(commit)}. "
            f"{note or 'One run of `make bench`.'} "
            f"Load average before it began: {load}. "
            "Medians of alternating rounds; a bold figure falls short of what it is to reach.", ""]
    for file, parts, title, figures, legend in PLOTS:
        drawn = [dict(row, label=f"{row['part']}: {row['subject']}" if len(parts) > 1
                      else row["subject"]) for row in rows if row["part"] in parts]
        if drawn:
            (IMAGES / file).write_text(plot(title, drawn, figures, legend))
            text += [f"![{title}](images/{file})", ""]
    for part, heading, what in PARTS:
        of_part = [row for row in rows if row["part"] == part]
        if of_part:
            text += [f"### {heading}", "", what, "", table(of_part), ""]
    document = DOCUMENT.read_text()
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    DOCUMENT.write_text(before + BEGIN + "\n\n" + "\n".join(text) + "\n" + END + after)
    print(f"written to {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
