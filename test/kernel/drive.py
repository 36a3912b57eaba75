"""Runs cells in a real kernel for the tests, as Jupyter's own clients do.

Reads one JSON request a line from standard input and answers each with one JSON line on file 3.
"""

import json
import queue
import sys
import threading
import time

from jupyter_client.manager import KernelManager

kept = ("stream", "display_data", "update_display_data", "execute_result", "error", "clear_output", "execute_input")


class Driver:
    manager = None

    def start(self, kernel, cwd):
        began = time.monotonic()
        self.manager = KernelManager(kernel_name=kernel)
        self.manager.start_kernel(cwd=cwd)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        return {"seconds": time.monotonic() - began, "pid": self.manager.provisioner.pid}

    def run(self, cells, stop=(), timeout=240, settle=0):
        """Sends all cells at once and gathers what comes back until each has its reply and its idle status.

        stop: presses of Stop, each {"after": seconds} or {"when": text in the output, "after": seconds later}.
        settle: seconds to go on listening afterwards. stopped: seconds from the first press to the end.
        """
        began = time.monotonic()
        ids = [self.client.execute(cell["code"], silent=cell.get("silent", False),
                                   stop_on_error=cell.get("stop_on_error", True)) for cell in cells]
        found = {id: {"outputs": [], "idle": False, "reply": None} for id in ids}
        presses, pressed, timers, order = list(stop), [], [], []

        def press():
            pressed.append(time.monotonic())
            self.manager.interrupt_kernel()

        def arm(text):
            for one in [one for one in presses if one.get("when", "") in text]:
                presses.remove(one)
                timers.append(threading.Timer(one.get("after", 0), press))
                timers[-1].start()

        arm("")
        printed = ""
        while not all(one["idle"] and one["reply"] for one in found.values()):
            if time.monotonic() - began > timeout:
                break
            self.take_replies(found)
            message = self.next_output(0.05)
            if message is None:
                continue
            self.keep(message, found, order)
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]
                arm(printed)
        ended = time.monotonic()
        while time.monotonic() - ended < settle:
            message = self.next_output(0.05)
            if message:
                self.keep(message, found, order)
        for timer in timers:
            timer.cancel()
        return {
            "cells": [found[id] for id in ids],
            "order": [[ids.index(id) if id in ids else -1, what] for id, what in order],
            "seconds": ended - began,
            "stopped": ended - pressed[0] if pressed else None,
            "alive": self.manager.is_alive(),
        }

    def keep(self, message, found, order):
        id, kind, content = message["parent_header"].get("msg_id"), message["msg_type"], message["content"]
        if kind == "status":
            order.append([id, content["execution_state"]])
        if id not in found:
            return
        if kind == "status" and content["execution_state"] == "idle":
            found[id]["idle"] = True
        elif kind in kept:
            found[id]["outputs"].append({"type": kind, **content})

    def next_output(self, timeout):
        try:
            return self.client.get_iopub_msg(timeout=timeout)
        except queue.Empty:
            return None

    def take_replies(self, found):
        while True:
            try:
                reply = self.client.get_shell_msg(timeout=0)
            except queue.Empty:
                return
            id = reply["parent_header"].get("msg_id")
            if id in found:
                found[id]["reply"] = reply["content"]

    def request(self, type, content, channel="shell", during=None):
        """Sends one request and returns its reply and the statuses around it; `during` is a cell to run meanwhile."""
        if during:
            self.client.execute(during)
            time.sleep(0.5)
        began = time.monotonic()
        message = self.client.session.msg(type, content)
        getattr(self.client, channel + "_channel").send(message)
        id, reply, states, output = message["header"]["msg_id"], None, [], []
        while "idle" not in states and time.monotonic() - began < 120:
            published = self.next_output(0.05)
            if not published:
                continue
            if published["parent_header"].get("msg_id") != id:
                continue
            if published["msg_type"] == "status":
                states.append(published["content"]["execution_state"])
            else:
                output.append(published["msg_type"])
        get = self.client.get_shell_msg if channel == "shell" else self.client.get_control_msg
        while reply is None and time.monotonic() - began < 120:
            try:
                answer = get(timeout=0.5)
            except queue.Empty:
                break
            if answer["parent_header"].get("msg_id") == id:
                reply = {"type": answer["msg_type"], **answer["content"]}
        return {"reply": reply, "states": states, "output": output, "seconds": time.monotonic() - began}

    def restart(self, during=None):
        """Restarts the kernel as JupyterLab does, a cell still running in it where `during` is one."""
        if during:
            self.client.execute(during)
            time.sleep(0.5)
        began = time.monotonic()
        self.manager.restart_kernel()
        self.client.wait_for_ready(timeout=120)
        return {"seconds": time.monotonic() - began}

    def stop(self):
        began = time.monotonic()
        self.manager.shutdown_kernel()
        return {"seconds": time.monotonic() - began, "alive": self.manager.is_alive()}


driver = Driver()
answers = open(3, "w")
for line in sys.stdin:
    request = json.loads(line)
    answer = getattr(driver, request.pop("op"))(**request)
    print(json.dumps(answer), file=answers, flush=True)
if driver.manager and driver.manager.is_alive():
    driver.manager.shutdown_kernel(now=True)
