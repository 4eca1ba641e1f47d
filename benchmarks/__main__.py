"""`python -m benchmarks`: measure, compare two commits, see how the cost grows."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks import whole
from benchmarks.machine import describe, installed, machine
from benchmarks.measure import PEERS, ROOT, Measured, compare, peers_for, ratio, ratio_table, train
from benchmarks.workloads import BARS, EVALUATION_BARS, WORKLOADS, Workload

START = "start"
"""In place of a workload: the time to the first step."""


@click.group(invoke_without_command=True)
@click.pass_context
def cli(context: click.Context) -> None:
    """Measure this project beside its peers; see benchmarks/RESULTS.md for what that means."""
    if context.invoked_subcommand is None:
        context.invoke(run)


@cli.command()
@click.option("--workload", "names", multiple=True, type=click.Choice(list(WORKLOADS)), help="Only these.")
@click.option("--peer", "peers", multiple=True, type=click.Choice(PEERS), help="Only these, and ours.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds of all peers in turn.")
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
    click.echo(describe(result["machine"]))
    for name in names or WORKLOADS:
        workload = WORKLOADS[name]
        measured = compare(workload, peers_for(workload, chosen), rounds, progress)
        click.echo(f"\n### {name}: {workload.title}\n\n{peer_tables(workload, measured)}")
        result["workloads"][name] = {peer: vars(m) for peer, m in measured.items()}
        save(result, json_path)  # now: a peer may fail later
    if whole_commands:
        result["whole"] = whole_table(rounds)
        save(result, json_path)
    if chart:
        from benchmarks.charts import draw_ratios

        draw_ratios(result["workloads"], chart)


def save(result: dict[str, Any], path: Path | None) -> None:
    """Write what was measured so far, if there is a path."""
    if path:
        path.write_text(json.dumps(result, indent=1) + "\n")


def peer_tables(workload: Workload, measured: dict[str, Measured]) -> str:
    """Return the peers of a workload as a Markdown table, and as another one their evaluation if it was measured."""
    seconds = {peer: m.seconds for peer, m in measured.items()}
    accuracy = {"accuracy": [f"{median(m.accuracy):.4f}" for m in measured.values()]}
    tables = [("s per epoch", seconds, BARS, accuracy)]
    if workload.convolutions:
        evaluation = {peer: m.evaluation for peer, m in measured.items()}
        tables.append(("s to evaluate 10,000", evaluation, EVALUATION_BARS, {}))
    return "\n\n".join(
        ratio_table(
            (title, "ours is"),
            rounds,
            {peer: ratio(rounds["ours"], theirs) for peer, theirs in rounds.items() if peer != "ours"},
            {peer: bar for (name, peer), bar in bars.items() if name == workload.name},
            more,
        )
        for title, rounds, bars, more in tables
    )


def whole_table(rounds: int) -> dict[str, Any]:
    """Measure whole commands and print them; return what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        modules = tuple(m for m in ("torch", "jax", "sklearn.neural_network") if installed(m.split(".")[0]))
        seconds = whole.in_turn(whole.shell_commands(Path(folder), modules), max(rounds, 5))
        memory = whole.reference_memory(Path(folder))
    lines = ["| command | s | min to max |", "|---|---|---|"]
    lines += [f"| `{name}` | {median(s):.3f} | {min(s):.3f} to {max(s):.3f} |" for name, s in seconds.items()]
    click.echo("\n### Whole commands\n\n" + "\n".join(lines))
    first = whole.first_batch(rounds)
    share = ratio(seconds[whole.DIGITS], seconds[whole.TORCH]) if whole.TORCH in seconds else None
    click.echo(
        (
            f"\nThe run of digits takes {share:.2f} × `import torch` ({whole.WHOLE_BAR.verdict(share)}). "
            if share
            else "\n"
        )
        + f"Its first step is made after {median(seconds[whole.FIRST_STEP]):.3f} s (bar {whole.STEP_BAR}). "
        f"`--help` takes {ratio(seconds['--help'], seconds['import click']):.2f} × `import click`, "
        f"`train --help` {ratio(seconds['train --help'], seconds['import click']):.2f} × (bar 2.0). "
        f"From a warm cache to the first batch of MNIST: {1000 * first:.0f} ms (bar 100). "
        f"Peak memory of the reference run: {memory:.0f} MB (bar 160)."
    )
    return {"seconds": seconds, "first_batch": first, "reference_megabytes": memory}


@cli.command("rules")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def update_rules(rounds: int) -> None:
    """Train the network of workload B with plain SGD, momentum, RMSprop, Adam, dropout, ema and max-norm in turn."""
    from benchmarks import rules

    click.echo(describe(machine()))
    click.echo(f"\n{rules.table(rules.measure_rules(rounds, progress))}")


@cli.command("stacks")
@click.option("--batches", type=click.Choice(("same", "different")), help="Only with the same batches, or others each.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
def network_stacks(batches: str | None, rounds: int) -> None:
    """Train 1 to 16 networks 784-30-10 together, and as many with JAX's vmap; print the time per network."""
    from benchmarks import stacks

    click.echo(describe(machine()))
    peers = ["ours_stack", *(["jax_stack"] if installed("jax") else [])]
    for how in [batches] if batches else stacks.BATCHES:
        found = stacks.measure_stacks(how, peers, rounds, progress)
        click.echo(f"\n### {how.capitalize()} batches\n\n{stacks.table(found)}")


@cli.command("compare")
@click.argument("before")
@click.argument("after", default="HEAD")
@click.option("--workload", "names", multiple=True, type=click.Choice([*WORKLOADS, START]), help="Only these.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def compare_commits(before: str, after: str, names: tuple[str, ...], rounds: int) -> None:
    """Train the workloads with two commits in turn, and print the ratio of their times: below 1 is faster.

    `start` is the time from the command to the first step of a run of digits.
    """
    with tempfile.TemporaryDirectory() as folder:
        trees = {commit: checked_out(commit, Path(folder) / str(i)) for i, commit in enumerate((before, after))}
        click.echo(f"| | {before} | {after} | ratio | min to max |\n|---|---|---|---|---|")
        for name in names or (START, *WORKLOADS):
            seconds: dict[str, list[float]] = {before: [], after: []}
            for _ in range(rounds):
                for commit, tree in trees.items():
                    seconds[commit].append(epoch_or_start(name, tree, Path(folder)))
            ratios = [b / a for a, b in zip(seconds[before], seconds[after], strict=True)]
            times = " | ".join(f"{median(several):.4f} s" for several in seconds.values())
            click.echo(f"| {name} | {times} | {median(ratios):.3f} | {min(ratios):.3f} to {max(ratios):.3f} |")


def epoch_or_start(name: str, tree: Path, folder: Path) -> float:
    """Return the seconds of an epoch of a workload with this tree, or those of START."""
    if name == START:
        return whole.seconds_to_first_step(folder, tree)
    return median(train("ours", WORKLOADS[name], tree)["seconds"])


def checked_out(commit: str, folder: Path) -> Path:
    """Write the tree of a commit into a folder."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit, "backprop_cli"], cwd=ROOT, check=False, capture_output=True)
    if archive.returncode:
        raise click.ClickException(f"no commit {commit!r}: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    return folder


@cli.command()
@click.option("--chart", type=click.Path(path_type=Path), default=Path("growth.png"), show_default=True)
def growth(chart: Path) -> None:
    """Measure how the time per example grows with batch, width and depth; print it and draw it."""
    from benchmarks.charts import draw_growth
    from benchmarks.growth import measure_growth

    points = measure_growth(progress)
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
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
def sweeps(runs: int, torch_runs: int, rounds: int) -> None:
    """Train the reference network with many seeds: one sweep, commands by xargs, and PyTorch, two at a time each."""
    from benchmarks import sweep

    counts = {"sweep": runs, "xargs": runs, **({"torch": torch_runs} if installed("torch") else {})}
    click.echo(describe(machine()))
    with tempfile.TemporaryDirectory() as folder:
        ms = {part: 1000 * seconds for part, seconds in sweep.overhead(Path(folder)).items()}
        click.echo(
            f"\nA run of one epoch of digits takes {ms['worker'] + ms['driver']:.1f} ms beside training "
            f"(bar {1000 * sweep.BESIDE_BAR:.0f}): {ms['worker']:.1f} in its worker, {ms['driver']:.1f} in the driver; "
            f"training takes {ms['training']:.1f} ms. These are processor times."
        )
        found = sweep.compare(Path(folder), counts, rounds, progress)
        click.echo(f"\n{sweep.table(found)}")


def progress(line: str) -> None:
    """Print a line to stderr, so that stdout has the tables alone."""
    click.echo(line, err=True)


if __name__ == "__main__":
    cli()
