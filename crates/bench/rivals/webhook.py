"""Webhook requests through the official Python SDK without a network; says how many, and the processor time they took."""

import json
import os
import time

import lark_oapi as lark

spec = json.loads(os.environ["LARKSPUR_BENCH"])
handled = 0


def on_check(data):
    global handled
    handled += data.event.background_check_id is not None


handler = lark.EventDispatcherHandler.builder(spec["encrypt_key"], spec["verification_token"]) \
    .register_p2_hire_eco_background_check_created_v1(on_check).build()
body = spec["body"].encode()
# The SDK looks headers up under the names that Flask gives them.
headers = {"-".join(part.capitalize() for part in name.split("-")): value for name, value in spec["headers"].items()}


def run(seconds):
    events, end = 0, time.monotonic() + seconds
    while time.monotonic() < end or events == 0:
        for _ in range(100):
            request = lark.RawRequest()
            request.uri, request.headers, request.body = "/webhook/event", headers, body
            response = handler.do(request)
            assert response.status_code == 200, response.content
        events += 100
    return events


warm_up = run(spec["seconds"] / 10)
before = time.process_time()
events = run(spec["seconds"])
cpu_us = (time.process_time() - before) * 1e6
assert handled == warm_up + events, (handled, warm_up, events)
print(json.dumps({"events": events, "cpu_us": cpu_us}), flush=True)
