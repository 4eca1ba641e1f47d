"""`python -m benchmarks`: measure, compare two commits, see how the cost grows."""

from __future__ import annotations

import json
import platform
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks import whole
from benchmarks.measure import PEERS, ROOT, Measured, compare, peers_for, ratio, run_peer
from benchmarks.workloads import BARS, WORKLOADS, Workload


@click.group(invoke_without_command=True)
@click.pass_context
def cli(context: click.Context) -> None:
    """Measure this project beside its peers; see benchmarks/RESULTS.md for what that means."""
    if context.invoked_subcommand is None:
        context.invoke(run)


@cli.command()
@click.option("--workload", "names", multiple=True, type=click.Choice(list(WORKLOADS)), help="Only these.")
@click.option("--peer", "peers", multiple=True, type=click.Choice(PEERS), help="Only these, and ours.")
@click.option("--rounds", default=5, show_default=True, help="Rounds of all peers in turn.")
@click.option("--whole/--no-whole", "whole_commands", default=True, help="Whole commands and memory too.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write everything measured to a file.")
@click.option("--chart", type=click.Path(path_type=Path), help="Draw the ratios as a PNG.")
def run(
    names: tuple[str, ...] = (),
    peers: tuple[str, ...] = (),
    rounds: int = 5,
    whole_commands: bool = True,
    json_path: Path | None = None,
    chart: Path | None = None,
) -> None:
    """Train every workload with every peer, interleaved, and print medians and ratios."""
    chosen = ["ours", *(peer for peer in (peers or PEERS) if peer != "ours")]
    result: dict[str, Any] = {"machine": machine(), "workloads": {}}
    click.echo(describe_machine(result["machine"]))
    for name in names or WORKLOADS:
        workload = WORKLOADS[name]
        measured = compare(workload, peers_for(workload, chosen), rounds, lambda line: click.echo(line, err=True))
        click.echo(f"\n### {name}: {workload.title}\n\n{peer_table(workload, measured)}")
        result["workloads"][name] = {peer: vars(m) for peer, m in measured.items()}
    if whole_commands:
        result["whole"] = whole_table(rounds)
    if json_path:
        json_path.write_text(json.dumps(result, indent=1) + "\n")
    if chart:
        from benchmarks.charts import draw_ratios

        draw_ratios(result["workloads"], chart)


def peer_table(workload: Workload, measured: dict[str, Measured]) -> str:
    """Return the peers of a workload as a Markdown table."""
    lines = ["| | s per epoch | min to max | ours is | bar | accuracy |", "|---|---|---|---|---|---|"]
    for peer, m in measured.items():
        share, bar = ratio(measured["ours"], m), BARS.get((workload.name, peer))
        verdict = "" if bar is None else f"≤ {bar:.2f} {'met' if share <= bar else '**missed**'}"
        spread = f"{min(m.seconds):.4f} to {max(m.seconds):.4f}"
        times = "" if peer == "ours" else f"{share:.2f} ×"
        lines.append(f"| {peer} | {m.median:.4f} | {spread} | {times} | {verdict} | {median(m.accuracy):.4f} |")
    return "\n".join(lines)


def whole_table(rounds: int) -> dict[str, Any]:
    """Measure whole commands and print them; return what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        modules = tuple(m for m in ("torch", "jax", "sklearn.neural_network") if installed(m.split(".")[0]))
        runs = whole.in_turn(whole.shell_commands(Path(folder), modules), max(rounds, 5))
        memory = whole.reference_memory(Path(folder))
    lines = ["| command | s |", "|---|---|"]
    seconds = {name: median(run.seconds for run in several) for name, several in runs.items()}
    lines += [f"| `{name}` | {value:.3f} |" for name, value in seconds.items()]
    click.echo("\n### Whole commands\n\n" + "\n".join(lines))
    first = whole.first_batch(rounds)
    click_import = seconds["import click"]
    click.echo(
        f"\n`--help` takes {seconds['--help'] / click_import:.2f} × `import click`, "
        f"`train --help` {seconds['train --help'] / click_import:.2f} × (bar 2.0). "
        f"From a warm cache to the first batch of MNIST: {1000 * first:.0f} ms (bar 100). "
        f"Peak memory of the reference run: {memory:.0f} MB (bar 160)."
    )
    return {"seconds": seconds, "first_batch": first, "reference_megabytes": memory}


@cli.command("compare")
@click.argument("before")
@click.argument("after", default="HEAD")
@click.option("--workload", "names", multiple=True, type=click.Choice(list(WORKLOADS)), help="Only these.")
@click.option("--rounds", default=5, show_default=True)
def compare_commits(before: str, after: str, names: tuple[str, ...], rounds: int) -> None:
    """Train the workloads with two commits in turn, and print the ratio of their times: below 1 is faster."""
    with tempfile.TemporaryDirectory() as folder:
        trees = {commit: checked_out(commit, Path(folder) / str(i)) for i, commit in enumerate((before, after))}
        click.echo(f"| | {before} | {after} | ratio | min to max |\n|---|---|---|---|---|")
        for name in names or WORKLOADS:
            seconds: dict[str, list[float]] = {before: [], after: []}
            for _ in range(rounds):
                for commit, tree in trees.items():
                    seconds[commit].append(median(run_peer("ours", WORKLOADS[name], tree)["seconds"]))
            ratios = [b / a for a, b in zip(seconds[before], seconds[after], strict=True)]
            times = " | ".join(f"{median(several):.4f} s" for several in seconds.values())
            click.echo(f"| {name} | {times} | {median(ratios):.3f} | {min(ratios):.3f} to {max(ratios):.3f} |")


def checked_out(commit: str, folder: Path) -> Path:
    """Write the tree of a commit into a folder."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit, "backprop_cli"], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    return folder


@cli.command()
@click.option("--chart", type=click.Path(path_type=Path), default=Path("growth.png"), show_default=True)
def growth(chart: Path) -> None:
    """Measure how the time per example grows with batch, width and depth; print it and draw it."""
    from benchmarks.charts import draw_growth
    from benchmarks.growth import measure_growth

    points = measure_growth(lambda line: click.echo(line, err=True))
    for name, series in points.items():
        click.echo(f"\n| {name} | µs per example | GFLOP/s |\n|---|---|---|")
        for p in series:
            click.echo(f"| {p.value} | {1e6 * p.seconds:.2f} | {p.flops / p.seconds / 1e9:.1f} |")
    draw_growth(points, chart)


@cli.command()
@click.option("--table", "names", multiple=True, help="Only these.")
@click.option("--splits", default=10, show_default=True)
def tables(names: tuple[str, ...], splits: int) -> None:
    """Train on ten tables with `backprop train FILE target=target` and with scikit-learn, on the same splits."""
    from benchmarks.tables import compare_tables

    with tempfile.TemporaryDirectory() as folder:
        found = compare_tables(Path(folder), names, splits)
    click.echo("| table | metric | ours | scikit-learn | difference | time |")
    click.echo("|---|---|---|---|---|---|")
    for name, compared in found.items():
        click.echo(compared.row(name))
    mean = sum(float((c.ours - c.theirs).mean()) for c in found.values()) / len(found)
    click.echo(f"\nMean difference: {mean:+.4f}")


@cli.command("sweep")
@click.option("--runs", default=100, show_default=True, help="Runs of a sweep, and as many commands.")
@click.option("--torch-runs", default=10, show_default=True, help="Runs of PyTorch, which takes longer.")
@click.option("--rounds", default=3, show_default=True)
def sweeps(runs: int, torch_runs: int, rounds: int) -> None:
    """Train the reference network with many seeds: one sweep, commands by xargs, and PyTorch, two at a time each."""
    from benchmarks import sweep

    counts = {"sweep": runs, "xargs": runs, **({"torch": torch_runs} if installed("torch") else {})}
    click.echo(describe_machine(machine()))
    with tempfile.TemporaryDirectory() as folder:
        found = sweep.compare(Path(folder), counts, rounds, lambda line: click.echo(line, err=True))
        click.echo(f"\n{sweep.table(found)}")
        beside, alone = sweep.overhead(Path(folder), rounds)
    click.echo(
        f"\nA run of one epoch of digits takes {1000 * beside:.0f} ms beside training (bar 25), "
        f"and {1000 * alone:.0f} ms of training."
    )


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    import scipy.linalg.blas  # noqa: F401  (so that its BLAS is listed)
    from threadpoolctl import threadpool_info

    packages = ("backprop-cli", "numpy", "scipy", "torch", "jax", "scikit-learn")
    return {
        "processor": processor(),
        "cores": len(__import__("os").sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages if installed(name)},
        "blas": sorted({f"{p['internal_api']} {p['version']}" for p in threadpool_info() if p["user_api"] == "blas"}),
    }


def describe_machine(facts: dict[str, Any]) -> str:
    """Return the machine as a line of Markdown."""
    packages = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}; Python {facts['python']}, {packages}; "
        f"{', '.join(facts['blas'])}. OPENBLAS_CORETYPE is unset; threads and cores are those of the workload."
    )


def processor() -> str:
    """Return the processor's name, as far as the platform tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def installed(package: str) -> bool:
    """Whether a package is installed."""
    try:
        version({"sklearn": "scikit-learn"}.get(package, package))
    except PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    cli()
