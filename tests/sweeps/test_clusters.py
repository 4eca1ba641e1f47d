"""The recipes of the guide, as they are written there, on real schedulers: they find what one process finds."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.sweeps.debian import environment, unpack
from tests.sweeps.helpers import entries as entries_of
from tests.sweeps.helpers import settings_of, weights
from tests.sweeps.test_kills import wait_for

pytestmark = pytest.mark.long

GUIDE = (ROOT / "docs" / "howto" / "sweep.md").read_text()
CONFIG = """
extends: digits
layers: 64-8-10
train_size: 195
epochs: 4
sweep: {over: {eta: [0.5, 1, 2, 4], lambda: [0, 1]}, seeds: 2}
"""
SLURM = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "libhwloc15", "libmunge2", "liblua5.1-0")


def section(heading):
    return GUIDE.partition(f"### {heading}\n")[2].partition("\n### ")[0]


def commands(heading):
    """The shell commands of a section."""
    return re.findall(r"(?<!-->\n)^```sh\n(.*?)^```", section(heading), re.DOTALL | re.MULTILINE)[-1]


def file(name):
    return re.search(rf"<!-- file: {name} -->\n```\w+\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)[1]


class Place:
    """A folder with the config of the recipes, and an environment with this program and others."""

    def __init__(self, folder, more=None):
        (folder / "my.yaml").write_text(CONFIG)
        (folder / "bin").mkdir(exist_ok=True)
        program = folder / "bin" / "backprop"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m backprop_cli "$@"\n')
        program.chmod(0o755)
        more = more or {}
        path = os.pathsep.join(
            map(str, (program.parent, Path(sys.executable).parent, more.get("PATH") or os.environ["PATH"]))
        )
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
        self.folder, self.env = folder, {**kept, **more, "PATH": path, "PYTHONPATH": str(ROOT)}

    def run(self, script, **more):
        command = ["bash", "-e", "-c", script]
        done = subprocess.run(
            command, cwd=self.folder, env={**self.env, **more}, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def entries(self):
        link = self.folder / "runs" / "sweep"
        if not link.exists():
            link.symlink_to("big")
        return entries_of(self.folder / "runs")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("undisturbed"))
    out = place.run("backprop sweep my.yaml --name big --jobs 1")
    return place, out


def check(place, out, undisturbed):
    expected, table = undisturbed
    out = out.replace(f"{place.folder}/", "")
    assert out[out.rindex("run  ") :] == table[table.rindex("run  ") :]  # with the metrics of the test split
    assert sorted(settings_of(place.entries())) == sorted(settings_of(expected.entries()))
    assert weights(place.folder / "runs") == weights(expected.folder / "runs")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment of a Slurm cluster of one node, this machine, that claims to have four processors."""
    folder = tmp_path_factory.mktemp("slurm")
    root = unpack(folder, *SLURM)
    for program in ("slurmctld", "slurmd", "slurmstepd"):
        (root / "usr/sbin" / program).symlink_to(f"{program}-wlm")
    env = environment(root)
    (plugins,) = (root / "usr/lib").glob("*/slurm-wlm")
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    user, host = subprocess.check_output(["whoami"], text=True).strip(), socket.gethostname()
    (folder / "slurm.conf").write_text(
        f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
AuthType=auth/none
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=4
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
    )
    env["SLURM_CONF"] = str(folder / "slurm.conf")
    daemons = [
        subprocess.Popen([root / "usr/sbin" / name, "-D", *words], env={**os.environ, **env}, stdout=-3, stderr=-3)
        for name, words in (("slurmctld", ["-i"]), ("slurmd", ["-d", root / "usr/sbin/slurmstepd"]))
    ]
    state = ["sinfo", "--noheader", "--format=%t"]
    try:
        ready = wait_for(
            lambda: (
                subprocess.run(state, env={**os.environ, **env}, capture_output=True, check=False).stdout == b"idle\n"
            ),
            60,
        )
        logs = [(folder / f"{name}.log") for name in ("slurmctld", "slurmd")]
        assert ready, "\n".join(log.read_text()[-2000:] for log in logs if log.exists())
        yield env
    finally:
        for daemon in daemons:
            daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(10)
            daemon.kill()
            daemon.wait()


def test_an_array_of_slurm(slurm, undisturbed, tmp_path):
    place = Place(tmp_path, slurm)
    (tmp_path / "sweep.sbatch").write_text(file("sweep.sbatch"))
    check(place, place.run(commands("Slurm")), undisturbed)
    assert len(list(tmp_path.glob("runs/big/trials-*-of-8.jsonl"))) == 8


def test_an_array_of_slurm_that_is_cancelled_and_submitted_again(slurm, undisturbed, tmp_path):
    place = Place(tmp_path, slurm)
    (tmp_path / "sweep.sbatch").write_text(file("sweep.sbatch"))
    job = place.run("sbatch --parsable sweep.sbatch").strip()
    assert wait_for(lambda: list(tmp_path.glob("runs/big/*/metrics.csv")), 60)
    place.run(f"scancel {job}")
    assert wait_for(lambda: not place.run("squeue --noheader"), 90)
    check(place, place.run(commands("Slurm")), undisturbed)


def test_slurm_says_how_many_processors_a_job_may_use(slurm, tmp_path):
    place = Place(tmp_path, slurm)
    out = place.run("srun --cpus-per-task=1 backprop sweep my.yaml --name big 2>&1")
    assert "8 settings (grid) x 2 seeds on 1 worker, in runs/big" in out


def test_a_job_of_kubernetes_whose_parts_run_anywhere(undisturbed, tmp_path):
    place, job = Place(tmp_path), yaml.safe_load(file("job.yaml"))["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert job["completionMode"] == "Indexed"
    for index in range(job["completions"])[::-1]:
        command = container["command"]
        subprocess.run(
            command,
            cwd=tmp_path,
            env={**place.env, "JOB_COMPLETION_INDEX": str(index)},
            capture_output=True,
            check=True,
        )
    out = place.run("backprop runs merge runs/big && backprop sweep my.yaml --name big")
    check(place, out, undisturbed)


def test_gnu_parallel(undisturbed, tmp_path):
    (tmp_path / "debian").mkdir()
    more = None if shutil.which("parallel") else environment(unpack(tmp_path / "debian", "parallel"))
    place = Place(tmp_path, more)
    check(place, place.run(commands("GNU parallel")), undisturbed)


def test_dask(undisturbed, tmp_path):
    pytest.importorskip("distributed")
    place = Place(tmp_path)
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        command = ["bash", "-e", "-c", commands("Dask") + "\necho the end"]
        process = subprocess.Popen(command, cwd=tmp_path, env=place.env, stdout=out, stderr=err, start_new_session=True)
    try:
        ended = wait_for(lambda: "the end" in (tmp_path / "out").read_text() or process.poll(), 120)
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            time.sleep(1)
        process.wait()
    assert ended is True, (tmp_path / "err").read_text()[-3000:]
    check(place, (tmp_path / "out").read_text().replace("the end\n", ""), undisturbed)
