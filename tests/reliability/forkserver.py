"""A process that has imported everything and forks a `backprop` for each line that it is told.

The forks are processes of their own, with the program's own entry point; only the half second of imports is spared.
`fault.c` must be preloaded.
"""

import ctypes
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import backprop_cli.runs.session
from backprop_cli.__main__ import _leave, main
from backprop_cli.cli.main import COMMANDS, cli

LIBRARY = ctypes.CDLL(None)


def serve():
    for name in COMMANDS:
        cli.get_command(None, name)
    import filelock  # noqa: F401 - imported where they are used, which is here
    import platformdirs  # noqa: F401 - the same

    import backprop_cli.advice.separability
    import backprop_cli.results.continuing
    import backprop_cli.runs.resuming  # noqa: F401 - the same

    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


def run(job):
    """Fork, send the signals at their times, and wait for the end; `seconds` counts from the last signal."""
    fault = job["fault"] or {"under": "", "calls": "", "first": 0, "error": 0, "forever": 0, "number": 0}
    LIBRARY.fault_arm(
        *(os.fsencode(fault[key]) for key in ("under", "calls")),
        *(fault[key] for key in ("first", "error", "forever", "number")),
    )
    waiting, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        become(job, ready)
    os.close(ready)
    os.read(waiting, 1)  # before that it is not yet the program that a signal would meet
    os.close(waiting)
    clock = time.monotonic()
    for delay, number in job["signals"]:
        time.sleep(max(0, clock + delay - time.monotonic()))
        os.kill(pid, number)
    clock = time.monotonic()
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
        time.sleep(0.001)
        if time.monotonic() - clock > job["timeout"]:
            os.kill(pid, signal.SIGKILL)
            job["timeout"] = 1e9
    return {
        "code": os.waitstatus_to_exitcode(ended[1]),
        "seconds": time.monotonic() - clock,
        "seen": LIBRARY.fault_seen(),
        "fired": LIBRARY.fault_fired(),
    }


def become(job, ready):
    """Be `backprop WORDS…`, and end as it ends."""
    code = 70
    try:
        os.chdir(job["cwd"])
        for descriptor, name in ((0, os.devnull), (1, job["out"]), (2, job["err"])):
            handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, descriptor)
            os.close(handle)
        for descriptor in job["closed"]:
            os.close(descriptor)
            setattr(sys, ("stdin", "stdout", "stderr")[descriptor], None)
        sys.argv = ["backprop", *job["words"]]
        if job["fault"]:  # every epoch is saved, so that the n-th call is the same in every run
            backprop_cli.runs.session.SAVING_PAUSE = 0
        for number in (signal.SIGINT, signal.SIGTERM):  # as main does, but a signal could come before it has
            signal.signal(number, _leave)
        os.write(ready, b"!")
        os.close(ready)
        main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    serve()
