"""The talk between the bench and a peer: one JSON line for each event, and a step only when the bench asks for one."""

import json
import os
import sys


class Stepping:
    """Reads "step" or "end" lines from stdin and writes events to what was stdout at the start."""

    def __init__(self):
        # Libraries print to stdout too: their lines go to stderr, the events to the real one.
        self._events = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def ready(self, threads, check=None, **versions):
        """`check` is what the bench compares between sides before it times them."""
        self._send(event="ready", threads=threads, versions=versions, check=check)

    def wait(self):
        """Blocks until the bench asks for a step: True for a step, False for the end."""
        return sys.stdin.readline().strip() == "step"

    def done(self, loss):
        """Tells that the step asked for by `wait` is done."""
        self._send(event="step", loss=float(loss))

    def _send(self, **event):
        self._events.write(json.dumps(event) + "\n")
        self._events.flush()


def read_job():
    """The job that the bench wrote: model folder, setting, threads, hyperparameters and the token ids of every batch."""
    with open(sys.argv[1], encoding="utf-8") as file:
        return json.load(file)
