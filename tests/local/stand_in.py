"""The helper process's program with a stand-in for the model.

`python stand_in.py MODE CONFIG`: everything is real but what answers.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from chatbots.local import helper


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())

    def log_message(self, *args: object) -> None:
        pass


def serve(config: helper.Config, api_key: str) -> tuple[int, object]:
    mode = sys.argv[1]
    with Path(config.folder, "starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    if mode == "hang":
        sys.stderr.write("still thinking" + "\n")
        time.sleep(600)
    if mode == "die":
        sys.stderr.write("I had a bad day" + "\n")
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "refuse":
        sys.stderr.write("the file is broken" + "\n")
        raise RuntimeError("cannot load it.")
    if mode == "missing":
        raise ModuleNotFoundError("No module named 'xllamacpp'", name="xllamacpp")
    if mode == "bug":
        raise LookupError("a bug")
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "slow":
        while not Path(config.folder, "go").exists():
            time.sleep(0.01)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port, server


if __name__ == "__main__":
    helper.main(serve)
