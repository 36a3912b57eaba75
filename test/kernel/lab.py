"""Runs cells through a running Jupyter server, as JupyterLab in a browser does: lab.py URL TOKEN CODE...

Says on file 3, for each cell, how many messages of each kind came and the last text of each.
"""

import json
import os
import sys
import time
import urllib.request
import uuid

import websocket

url, token, *cells = sys.argv[1:]


def call(path, method, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Authorization": f"token {token}"}, method=method)
    with urllib.request.urlopen(request) as response:
        return json.loads(response.read() or "null")


def run(socket, code):
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "tests", "username": "", "date": "", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
    socket.send(json.dumps({"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}))
    counts, last = {}, {}
    while True:
        message = json.loads(socket.recv())
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        kind, content = message["header"]["msg_type"], message["content"]
        name = f"{kind} {content['name']}" if kind == "stream" else kind
        counts[name] = counts.get(name, 0) + 1
        last[name] = content.get("text") or content.get("data", {}).get("text/plain") or content.get("execution_state")
        if kind == "status" and content["execution_state"] == "idle":
            return {"counts": counts, "last": last}


kernel = call("api/kernels", "POST", {"name": "alignlab"})
socket = websocket.create_connection(f"{url.replace('http', 'ws')}api/kernels/{kernel['id']}/channels?token={token}&session_id=tests", timeout=90)
answers = []
for code in cells:
    answers.append(run(socket, code))
    # The server counts what it passes on over three seconds.
    time.sleep(3.5)
socket.close()
call(f"api/kernels/{kernel['id']}", "DELETE")
os.write(3, json.dumps(answers).encode())
