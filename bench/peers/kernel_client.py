"""Starts a kernel as Jupyter's own clients do, runs cells and asks questions, for `npm run bench -- kernel`: kernel_client.py JOB.json

Says on file 3 when the kernel was ready and when each cell was answered, in seconds from the kernel's start; then, after
the job's last cell, the seconds that each completion and inspection took.
"""

import json
import os
import re
import sys
import time

import zmq
from jupyter_client.manager import KernelManager

TIMEOUT = 120
# The first status of a kernel may be published before the client's subscription has reached it: it is asked again.
ASK_AGAIN = 0.05


class Kernel:
    def __init__(self, name, cwd):
        self.manager = KernelManager(kernel_name=name)
        self.began = time.monotonic()
        self.manager.start_kernel(cwd=cwd)
        self.client = self.manager.client()
        self.client.start_channels(stdin=False, hb=False)
        self.poller = zmq.Poller()
        for channel in (self.client.shell_channel, self.client.iopub_channel):
            self.poller.register(channel.socket, zmq.POLLIN)

    def elapsed(self):
        return time.monotonic() - self.began

    def messages(self, timeout):
        """Messages of both channels as they come; nothing when none came in time."""
        ready = dict(self.poller.poll(timeout * 1000))
        for channel in (self.client.shell_channel, self.client.iopub_channel):
            if channel.socket in ready:
                yield channel.get_msg(timeout=0)
        if self.elapsed() > TIMEOUT:
            raise TimeoutError(f"the kernel did not answer in {TIMEOUT} seconds")
        if not self.manager.is_alive():
            raise RuntimeError("the kernel ended")

    def wait_until_ready(self):
        """Until it has said what it is, and its published messages arrive too."""
        self.client.kernel_info()
        info, heard, asked = None, False, self.elapsed()
        while not (info and heard):
            for message in self.messages(ASK_AGAIN):
                if message["msg_type"] == "kernel_info_reply":
                    info = message["content"]
                elif message["msg_type"] == "status":
                    heard = True
            if info and not heard and self.elapsed() - asked > ASK_AGAIN:
                self.client.kernel_info()
                asked = self.elapsed()
        return info

    def run(self, code):
        """The text of a cell's value, once the value and the reply are there."""
        id = self.client.execute(code)
        value, reply = None, None
        while value is None or reply is None:
            for message in self.messages(1):
                if message["parent_header"].get("msg_id") != id:
                    continue
                content = message["content"]
                if message["msg_type"] == "execute_result":
                    value = content["data"]["text/plain"]
                elif message["msg_type"] == "execute_reply":
                    reply = content
                    if content["status"] != "ok":
                        raise RuntimeError(f"{code!r} failed: " + re.sub(r"\x1b\[[\d;]*m", "", "\n".join(content.get("traceback") or [content.get("evalue", "")])))
        return value

    def ask(self, question):
        """A completion's matches or an inspection's text, and the seconds until it was there."""
        code, kind = question["code"], question["type"]
        began = time.monotonic()
        send = self.client.complete if kind == "complete" else self.client.inspect
        id, reply = send(code, len(code)), None
        while reply is None:
            for message in self.messages(1):
                if message["msg_type"] == f"{kind}_reply" and message["parent_header"].get("msg_id") == id:
                    reply = message["content"]
        seconds = time.monotonic() - began
        text = "\n".join(reply["matches"]) if kind == "complete" else reply["data"].get("text/plain", "")
        return {"seconds": seconds, "text": re.sub(r"\x1b\[[\d;]*m", "", text)}

    def peak_bytes(self):
        """Of the kernel and the processes it has started, the highest resident memory of each."""
        parents = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                    parents[int(pid)] = int(stat.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
        family = {self.manager.provisioner.pid}
        while True:
            more = {pid for pid, parent in parents.items() if parent in family} - family
            if not more:
                break
            family |= more
        return sum(peak_of(pid) for pid in family)


def peak_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    kernel = Kernel(job["kernel"], job["cwd"])
    try:
        info = kernel.wait_until_ready()
        ready = kernel.elapsed()
        cells = [{"value": kernel.run(code), "at": kernel.elapsed()} for code in job["cells"]]
        peak = kernel.peak_bytes()
        kernel.run(job["everything"])
        answer = {
            "ready": ready, "cells": cells, "peakBytes": peak, "asked": [kernel.ask(question) for question in job["questions"]],
            "versions": {info["implementation"]: info["implementation_version"]},
        }
    finally:
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel(now=True)
    os.write(3, json.dumps(answer).encode())


main()
