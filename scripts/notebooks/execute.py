"""Runs a notebook through a real kernel and reports as JSON lines on stdout.

Usage: execute.py INPUT OUTPUT --cwd FOLDER [--kernel NAME] [--timeout SECONDS] [--memory BYTES] [--keep-going]

Events: kernel, cell (started), output (a line of a running cell), cell-end, fatal, end. The notebook is written to OUTPUT after
each cell, so that whatever ran is kept. The first SIGINT stops the running cell and ends the run, the second ends it at once.
It ends too when stdin closes: a caller that dies leaves no kernel behind.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import signal
import sys
import threading
import time

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

# The kernel inherits stdout: what it writes there must not mix with the events.
EVENTS = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
os.dup2(2, 1)

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def send(event, **fields):
    try:
        EVENTS.write(json.dumps({"event": event, **fields}, ensure_ascii=False) + "\n")
    except (BrokenPipeError, ValueError):
        pass


def peak_memory(pid):
    """The most that a process has held in memory so far, in bytes, as the system counts it; None where it does not."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")), None)
    except (OSError, ValueError):
        return None


def last_line(text):
    lines = [line.split("\r")[-1].strip() for line in ANSI.sub("", text).split("\n")]
    return next((line for line in reversed(lines) if line), "")


class Client(NotebookClient):
    """nbclient's client that also tells what a running cell shows."""

    sent_at = 0.0

    def process_message(self, msg, cell, cell_index):
        kind, content = msg["msg_type"], msg["content"]
        text = ""
        if kind == "stream":
            text = last_line(content["text"])
        elif kind in ("display_data", "update_display_data", "execute_result"):
            plain = str(content["data"].get("text/plain", ""))
            text = last_line(plain) if kind == "update_display_data" else plain.strip().split("\n")[0]
        now = time.monotonic()
        if text and now - self.sent_at > 0.1:
            self.sent_at = now
            send("output", index=cell_index, text=ANSI.sub("", text)[:400])
        return super().process_message(msg, cell, cell_index)


class Run:
    def __init__(self, options):
        self.options = options
        self.notebook = nbformat.read(options.input, as_version=4)
        self.client = Client(self.notebook, kernel_name=options.kernel, timeout=options.timeout, startup_timeout=120,
                             resources={"metadata": {"path": options.cwd}}, allow_errors=options.keep_going,
                             record_timing=False)
        self.stopping = 0
        self.task = None
        self.failed = []
        self.peak = None

    def save(self):
        partial = self.options.output + ".part"
        nbformat.write(self.notebook, partial)
        os.replace(partial, self.options.output)

    def stop(self):
        self.stopping += 1
        if self.stopping == 1:
            send("stopping")
            asyncio.ensure_future(self.interrupt())
        elif self.task:
            self.task.cancel()

    async def interrupt(self):
        if self.client.km is not None and self.client.km.has_kernel:
            await self.client.km.interrupt_kernel()
        # A cell that neither ends nor fails within this time is left where it is.
        await asyncio.sleep(20)
        if self.task:
            self.task.cancel()

    async def cell(self, cell, index):
        send("cell", index=index)
        started = time.monotonic()
        failure = None
        try:
            await self.client.async_execute_cell(cell, index)
        except CellExecutionError as error:
            failure = {"ename": error.ename, "evalue": error.evalue}
        except CellTimeoutError:
            failure = {"ename": "Timeout", "evalue": f"the cell ran longer than {self.options.timeout} s"}
        except DeadKernelError:
            failure = {"ename": "DeadKernel", "evalue": "the kernel's process ended while the cell ran"}
        finally:
            self.peak = peak_memory(getattr(self.client.km.provisioner, "pid", None)) or self.peak
            self.save()
        shown = next((o for o in cell.get("outputs", []) if o["output_type"] == "error"), None)
        if shown is not None:
            failure = {"ename": shown["ename"], "evalue": shown["evalue"], "traceback": ANSI.sub("", "\n".join(shown["traceback"]))}
        if failure is not None and self.stopping:
            failure = {"ename": "Stopped", "evalue": "the run was stopped while this cell ran"}
        elif failure is not None:
            self.failed.append(index)
        send("cell-end", index=index, seconds=time.monotonic() - started, failure=failure)
        return failure

    async def cells(self):
        async with self.client.async_setup_kernel(cwd=self.options.cwd):
            self.listen()
            send("kernel")
            for index, cell in enumerate(self.notebook.cells):
                if cell.cell_type != "code" or not cell.source.strip():
                    continue
                failure = await self.cell(cell, index)
                dead = failure is not None and failure["ename"] in ("DeadKernel", "Timeout")
                if self.stopping or dead or (failure is not None and not self.options.keep_going):
                    return

    def listen(self):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)

    def watch_caller(self, loop):
        while os.read(0, 1024):
            pass
        try:
            loop.call_soon_threadsafe(self.stop)
            loop.call_soon_threadsafe(self.stop)
        except RuntimeError:
            pass

    async def main(self):
        # nbclient replaces these handlers while it starts the kernel, hence twice.
        self.listen()
        threading.Thread(target=self.watch_caller, args=[asyncio.get_running_loop()], daemon=True).start()
        self.task = asyncio.ensure_future(self.cells())
        try:
            await self.task
        except asyncio.CancelledError:
            pass
        except NoSuchKernel:
            send("fatal", message=f'The kernel "{self.options.kernel}" is not installed in .venv.')
            return 2
        except Exception as error:
            send("fatal", message=f"{type(error).__name__}: {error}")
            return 2
        finally:
            self.save()
        send("end", stopped=self.stopping > 0, failed=self.failed, peak=self.peak)
        return 130 if self.stopping else 1 if self.failed else 0


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--cwd", required=True)
    parser.add_argument("--kernel", default="alignlab")
    parser.add_argument("--timeout", type=int, default=None)
    parser.add_argument("--memory", type=int, default=None)
    parser.add_argument("--keep-going", action="store_true")
    return parser.parse_args()


def limit_memory(most):
    """Nothing that is started from here on gets more memory of its own: what asks for more fails. Linux alone keeps to it."""
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


if __name__ == "__main__":
    chosen = options()
    if chosen.memory is not None:
        limit_memory(chosen.memory)
    sys.exit(asyncio.run(Run(chosen).main()))
