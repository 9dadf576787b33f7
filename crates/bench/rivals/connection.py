"""A client of the official Python SDK; answers each line on stdin with the number of events it has handled."""

import json
import os
import sys
import threading

import lark_oapi as lark

spec = json.loads(os.environ["LARKSPUR_BENCH"])
handled = 0


def on_check(data):
    global handled
    handled += data.event.background_check_id is not None


def answer():
    for _ in sys.stdin:
        print(handled, flush=True)
    os._exit(0)


threading.Thread(target=answer, daemon=True).start()
handler = lark.EventDispatcherHandler.builder("", "") \
    .register_p2_hire_eco_background_check_created_v1(on_check).build()
lark.ws.Client(spec["app_id"], spec["app_secret"], event_handler=handler, domain=spec["domain"],
               log_level=lark.LogLevel.ERROR).start()
