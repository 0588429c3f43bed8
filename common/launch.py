"""Starts a script as one of several processes that train one model together, on the JAX backend.

    python -m common.launch --processes 2 vae/train.py --epochs 5
        both on this machine, each with a GPU of its own if there are GPUs
    python -m common.launch --processes 4 --process-id 1 --coordinator node0:2345 vae/train.py --epochs 5
        process 1 of 4; the same line with 0, 2 and 3 on other machines; process 0 runs on node0
    srun --ntasks 4 python -m common.launch vae/train.py --epochs 5
        in a job of SLURM (or Open MPI's mpirun), which numbers the processes

Each process computes its part of every batch, and what the script writes is written by process 0. When a process is lost,
the others end within a minute; the run continues after its last whole epoch with --resume and its folder.
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

# What a process finds in its environment, see environments() and devices.join.
COORDINATOR, PROCESSES, PROCESS, LOCAL = "KEXUE_COORDINATOR", "KEXUE_PROCESSES", "KEXUE_PROCESS", "KEXUE_LOCAL_DEVICE"
SCHEDULER = "scheduler"                             # as COORDINATOR: JAX finds all numbers in the scheduler's variables
SCHEDULERS = [("SLURM_JOB_ID", "SLURM_PROCID"), ("OMPI_MCA_orte_hnp_uri",)]     # variables by which JAX knows them
GRACE = 10                                          # seconds in which the others of this machine may end by themselves


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m common.launch", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, help="processes that train together")
    parser.add_argument("--process-id", type=int, help="the number of this one, from 0; left out: starts all of them here")
    parser.add_argument("--coordinator", help="HOST:PORT on the machine of process 0, to be reached from all of them")
    parser.add_argument("script", help="such as vae/train.py")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="of the script")
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
        if process is None and coordinator is None and any(set(names) <= set(environment) for names in SCHEDULERS):
            return [{COORDINATOR: SCHEDULER}]
        raise ValueError("expected --processes, or a job of SLURM or Open MPI with one task a process")
    if processes < 1:
        raise ValueError(f"--processes expects at least 1. Received: {processes}")
    if process is not None:
        if not 0 <= process < processes:
            raise ValueError(f"--process-id expects 0 to {processes - 1}. Received: {process}")
        if coordinator is None or not coordinator.rpartition(":")[2].isdecimal() or ":" not in coordinator[1:]:
            raise ValueError(f"--process-id expects --coordinator HOST:PORT beside it. Received: {coordinator}")
        return [{COORDINATOR: coordinator, PROCESSES: str(processes), PROCESS: str(process)}]
    coordinator = coordinator or f"127.0.0.1:{free_port()}"
    return [{COORDINATOR: coordinator, PROCESSES: str(processes), PROCESS: str(i), LOCAL: str(i)} for i in range(processes)]


def watch(command, settings):
    """Runs the command once for each of the settings, until all have ended or one has failed; the exit code of all."""
    total = int(settings[0].get(PROCESSES, 0))
    children = [subprocess.Popen(command, env={**os.environ, "KERAS_BACKEND": "jax", **setting},
                                 preexec_fn=_end_with_parent) for setting in settings]
    try:
        while all(child.poll() in (None, 0) for child in children):
            if all(child.poll() == 0 for child in children):
                return 0
            time.sleep(0.1)
        i, code = next((i, child.returncode) for i, child in enumerate(children) if child.poll())
        which = f"process {settings[i][PROCESS]} of {total}" if total else "this process"
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        print(f"error: {which} {how}, so the others stop"
              + ("" if code == 2 else                        # 2: the script has said what is wrong with its options
                 ". If it speaks of a connection, a heartbeat or the coordination service, another one was lost before it.\n"
                 "The run continues after its last whole epoch with --resume and its folder as the script's options."),
              file=sys.stderr, flush=True)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and any(child.poll() is None for child in children):
            time.sleep(0.1)
        return code if code > 0 else 1
    except KeyboardInterrupt:
        return 130
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()                      # JAX takes SIGTERM as the notice of a machine that will be taken away
            child.wait()


def free_port():
    """A port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _end_with_parent():
    """On Linux: a process whose launcher is killed is killed, too."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)     # PR_SET_PDEATHSIG


if __name__ == "__main__":
    sys.exit(main())
