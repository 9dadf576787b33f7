"""A subscriber with the official Python SDK: one case from LARKSPUR_CASE, what arrives as lines of JSON on stdout."""

import json
import logging
import os
import sys
import threading

import lark_oapi as lark
from lark_oapi.event.callback.model.p2_card_action_trigger import P2CardActionTriggerResponse

case = json.loads(os.environ["LARKSPUR_CASE"])
lock = threading.Lock()
failures_left = case.get("fail_first", 0)

REGISTER = {
    "hire.eco_background_check.created_v1": "register_p2_hire_eco_background_check_created_v1",
    "hire.eco_background_check.canceled_v1": "register_p2_hire_eco_background_check_canceled_v1",
    "hire.eco_exam.created_v1": "register_p2_hire_eco_exam_created_v1",
    "corehr.job_change.status_updated_v2": "register_p2_corehr_job_change_status_updated_v2",
    "application.application.app_version.publish_revoke_v6":
        "register_p2_application_application_app_version_publish_revoke_v6",
    "card.action.trigger": "register_p2_card_action_trigger",
}
OLD_CARD = "card.action.trigger_v1"


def say(line):
    with lock:
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def on_event(data):
    """Prints what the SDK decoded into its typed classes, then fails as often as the case asks for."""
    global failures_left
    failing = failures_left > 0
    failures_left -= failing
    header, event = data.header, data.event
    say({
        "event": header.event_type,
        "header": json.loads(lark.JSON.marshal(header)),
        "payload": json.loads(lark.JSON.marshal(event)),
        "failing": failing,
    })
    if failing:
        raise RuntimeError("this handler fails on purpose")


def on_card(data):
    """Answers what the card's button says."""
    say({"event": data.header.event_type, "payload": json.loads(lark.JSON.marshal(data.event))})
    return P2CardActionTriggerResponse(toast(data.event.action.value["echo"]))


def on_old_card(card):
    value = card.action.value
    say({"event": OLD_CARD, "payload": {
        "open_id": card.open_id, "open_message_id": card.open_message_id, "token": card.token, "value": value}})
    return toast(value["echo"])


def toast(content):
    return {"toast": {"type": "info", "content": content}}


def dispatcher():
    webhook = case["mode"] == "webhook"
    builder = lark.EventDispatcherHandler.builder(
        case["encrypt_key"] if webhook else "", case["verification_token"] if webhook else "")
    for event_type in case["types"]:
        if event_type in REGISTER:
            handler = on_card if event_type.startswith("card.") else on_event
            builder = getattr(builder, REGISTER[event_type])(handler)
    return builder.build()


def connect(handler):
    client = lark.ws.Client(case["app_id"], case["app_secret"], event_handler=handler, domain=case["domain"],
                            log_level=lark.LogLevel.INFO)
    say({"ready": True})
    client.start()


def listen(handler):
    from flask import Flask
    from lark_oapi.adapter.flask import parse_req, parse_resp
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Flask(__name__)

    @app.route("/webhook/event", methods=["POST"])
    def receive():
        return parse_resp(handler.do(parse_req()))

    card_handler = lark.CardActionHandler.builder(case["encrypt_key"], case["verification_token"]) \
        .register(on_old_card).build()

    @app.route("/webhook/card", methods=["POST"])
    def receive_card():
        return parse_resp(card_handler.do(parse_req()))

    server = make_server("127.0.0.1", case["port"], app, threaded=True)
    say({"ready": True})
    server.serve_forever()


try:
    (listen if case["mode"] == "webhook" else connect)(dispatcher())
except Exception as error:
    say({"error": f"{type(error).__name__}: {error}"})
    sys.exit(3)
