"""The talk between the bench and a peer: one JSON line for each event, and a timed step only when the bench asks for one."""

import json
import os
import resource
import sys
import time


class Stepping:
    """Reads "step" or "end" lines from stdin and writes events to what was stdout at the start."""

    def __init__(self):
        # Libraries print to stdout too: their lines go to stderr, the events to the real one.
        self._events = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._started = None
        self._cpu = 0.0

    def send(self, **event):
        self._events.write(json.dumps(event) + "\n")
        self._events.flush()

    def wait(self):
        """Blocks until the bench asks for a step: True for a step, False for the end."""
        if sys.stdin.readline().strip() != "step":
            return False
        self._cpu = cpu_seconds()
        self._started = time.perf_counter()
        return True

    def done(self, loss):
        """Tells how long the step since `wait` took."""
        seconds = time.perf_counter() - self._started
        self.send(event="step", seconds=seconds, cpuSeconds=cpu_seconds() - self._cpu, loss=float(loss))

    def finish(self):
        self.send(event="end", peakBytes=peak_bytes())


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_bytes():
    """The process's high-water mark of resident memory."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read_job():
    """The job that the bench wrote: model folder, setting, batch, hyperparameters and token ids of every pair."""
    with open(sys.argv[1], encoding="utf-8") as file:
        return json.load(file)
