"""Starts a script as one of several processes that train one model together, on the JAX backend.

    python -m common.harness.launch --processes 2 vae/train.py --epochs 5
        both on this machine, each with a GPU of its own if there are GPUs
    python -m common.harness.launch --processes 4 --process-id 1 --coordinator node0:2345 vae/train.py
        process 1 of 4; the same line with 0, 2 and 3 on other machines; process 0 runs on node0
    srun --ntasks 4 python -m common.harness.launch vae/train.py --epochs 5
        in a job of SLURM (or Open MPI's mpirun), which numbers the processes

Each process computes its part of every batch, and what the script writes is written by process 0. When a
process is lost, the others end within a minute; the run continues after its last whole epoch with --resume
and its folder.

No Keras in here.
"""

import argparse
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

from common.harness.console import print_error
from common.harness.language import in_users_language

# What a process finds in its environment, see environments() and devices.join.
COORDINATOR, PROCESSES = "KEXUE_COORDINATOR", "KEXUE_PROCESSES"
PROCESS, LOCAL = "KEXUE_PROCESS", "KEXUE_LOCAL_DEVICE"
SCHEDULER = "scheduler"                   # as COORDINATOR: JAX finds all numbers in the scheduler's variables
# variables by which JAX knows them
SCHEDULERS = [("SLURM_JOB_ID", "SLURM_PROCID"), ("OMPI_MCA_orte_hnp_uri",)]
MOST = 1024                                # processes
GRACE = 10                                 # seconds in which the others of this machine may end by themselves
BAD_INPUT = 2                             # exit code of a script that has said what is wrong with its options
LOST_ADVICE = (
    ". If its error speaks of a connection, a heartbeat or the coordination service, "
    "another process was lost before it.\n"
    "The script's option --resume with the run's folder continues the run after its last whole epoch.")
CHINESE_LOST_ADVICE = (
    "。如果报错里有 connection、heartbeat 或 coordination service，说明在它之前另一个进程已经断开。\n"
    "用脚本的 --resume 加运行目录，可从最后完成的一轮继续。")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m common.harness.launch", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, help="processes that train together")
    parser.add_argument("--process-id", type=int,
                        help="number of this process, from 0; without it all processes start here")
    parser.add_argument("--coordinator",
                        help="HOST:PORT on the machine of process 0, which all processes can reach")
    parser.add_argument("script", help="script to start, such as vae/train.py")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="options of the script")
    options = parser.parse_args(arguments)
    if os.environ.get("KERAS_BACKEND", "jax") != "jax":
        parser.error(f"several processes train on the JAX backend alone: expected KERAS_BACKEND=jax or none. "
                     f"Received: {os.environ['KERAS_BACKEND']}")
    if not pathlib.Path(options.script).is_file():
        parser.error(f"expected a script such as vae/train.py. Received: {options.script}")
    try:
        settings = environments(options.processes, options.process_id, options.coordinator, os.environ)
    except ValueError as error:
        parser.error(str(error))
    # as on a terminal: a process that is terminated stops its children
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    return watch([sys.executable, options.script, *options.options], settings)


def environments(processes, process, coordinator, environment):
    """What each process that is to be started here finds in its environment, as a list of dicts.

    Raises:
        ValueError: numbers that do not fit together.
    """
    if processes is None:
        scheduled = any(set(names) <= set(environment) for names in SCHEDULERS)
        if scheduled and process is None and coordinator is None:
            return [{COORDINATOR: SCHEDULER}]
        raise ValueError("expected --processes, or a job of SLURM or Open MPI with one task for each process")
    if not 1 <= processes <= MOST:
        raise ValueError(f"--processes expects 1 to {MOST:,}. Received: {processes}")
    if process is not None:
        if not 0 <= process < processes:
            raise ValueError(f"--process-id expects 0 to {processes - 1}. Received: {process}")
        host, _, port = (coordinator or "").rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError("--process-id expects --coordinator HOST:PORT beside it. Received: "
                             f"{coordinator}")
        return [{COORDINATOR: coordinator, PROCESSES: str(processes), PROCESS: str(process)}]
    coordinator = coordinator or f"127.0.0.1:{free_port()}"
    shared = {COORDINATOR: coordinator, PROCESSES: str(processes)}
    return [{**shared, PROCESS: str(i), LOCAL: str(i)} for i in range(processes)]


def watch(command, settings):
    """Runs the command once for each of the settings, until all have ended or one has failed; the exit code
    of all."""
    children = [_start(command, setting) for setting in settings]
    try:
        while all(child.poll() in (None, 0) for child in children):
            if all(child.poll() == 0 for child in children):
                return 0
            time.sleep(0.1)
        code = _report_failure(children, settings)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and any(child.poll() is None for child in children):
            time.sleep(0.1)
        return code if code > 0 else 1
    except KeyboardInterrupt:
        return 130
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()            # JAX takes SIGTERM as the notice of a machine that will be taken away
            child.wait()


def _start(command, setting):
    environment = {**os.environ, "KERAS_BACKEND": "jax", **setting}
    first = _end_with_parent if os.name == "posix" else None
    return subprocess.Popen(command, env=environment, preexec_fn=first)


def _report_failure(children, settings):
    """Says which process failed, and returns its exit code."""
    failed = next(i for i, child in enumerate(children) if child.poll())
    code, setting = children[failed].returncode, settings[failed]
    which, chinese_which = "this process", "本进程"
    if PROCESSES in setting:
        which = f"process {setting[PROCESS]} of {setting[PROCESSES]}"
        chinese_which = f"{setting[PROCESSES]} 个进程中的 {setting[PROCESS]} 号"
    how, chinese_how = f"ended with code {code}", f"以代码 {code} 退出"
    if code < 0:
        name = signal.Signals(-code).name
        how, chinese_how = f"was killed by {name}", f"被 {name} 杀掉"
    advice = "" if code == BAD_INPUT else in_users_language(LOST_ADVICE, CHINESE_LOST_ADVICE)
    print_error(in_users_language(f"{which} {how}, so the others stop{advice}",
                                  f"{chinese_which}{chinese_how}，其余的随之停止{advice}"))
    return code


def free_port():
    """A port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end(code):
    """Ends this process; one of several without the farewell that would wait for the others, who may wait for
    it."""
    if COORDINATOR in os.environ:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):               # who read it may be gone
                stream.flush()
        os._exit(code)
    raise SystemExit(code) from None


def _end_with_parent():
    """On Linux: a process whose launcher is killed is killed, too."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)     # PR_SET_PDEATHSIG


if __name__ == "__main__":
    sys.exit(main())
