"""Where plots are written, and in which format."""

from __future__ import annotations

from pathlib import Path

from backprop_cli.errors import UsageError
from backprop_cli.plots import FORMATS
from backprop_cli.plots.registry import PlotJob


def paths_of(jobs: list[PlotJob], output: Path | None, format: str | None) -> list[Path]:
    """Return the path of each plot. Raises UsageError if the options do not fit the plots."""
    suffix = output.suffix[1:].lower() if output and not output.is_dir() else ""
    if output is None or not suffix:
        several = len({run.path for job in jobs for run in job.runs}) > 1
        stems = [_stem(job, output, several) for job in jobs]
        formats = [format if format in job.formats else job.formats[0] for job in jobs]
        paths = [stem.with_name(f"{stem.name}.{form}") for stem, form in zip(stems, formats, strict=True)]
        if len(set(paths)) < len(paths):
            raise UsageError("two runs have the same name; plot them separately, with different --output folders")
        return paths
    known = jobs[0].formats if jobs else FORMATS
    if suffix not in known:
        raise UsageError(f"{output}: unknown format .{suffix}; use {', '.join('.' + name for name in known)}")
    if format not in (None, suffix):
        raise UsageError(f"{output} does not match --format {format}")
    if len(jobs) != 1:
        kinds = ", ".join(dict.fromkeys(job.kind for job in jobs))
        raise UsageError(f"{output} is one file for {len(jobs)} plots ({kinds}); choose one --kind, or give a folder")
    return [output]


def _stem(job: PlotJob, folder: Path | None, several: bool) -> Path:
    if len(job.runs) > 1:
        return (folder or Path("plots")) / job.kind
    (run,) = job.runs
    if folder is None:
        return run.path / "plots" / job.kind
    return folder / (f"{run.name}-{job.kind}" if several else job.kind)
