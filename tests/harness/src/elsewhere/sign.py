"""Computes, with the vendor's SDK, the headers that a call of the cloud API must have.

A line of JSON on standard input is a call: secret_id, secret_key, token or null, region, host, action, timestamp and
body, the JSON text as it was sent. A line of JSON on standard output has the headers.
"""

import json
import sys

from tencentcloud.common import abstract_client
from tencentcloud.common.credential import Credential
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416.scf_client import ScfClient


class Verbatim:
    """In place of the SDK's `json`: the body is signed as it was sent."""

    @staticmethod
    def dumps(body):
        return body


class Clock:
    """In place of the SDK's `time`: the call is signed as of its own time stamp."""

    now = 0

    @staticmethod
    def time():
        return Clock.now


def headers(call):
    Clock.now = call["timestamp"]
    credential = Credential(call["secret_id"], call["secret_key"], call["token"])
    profile = ClientProfile(httpProfile=HttpProfile(endpoint=call["host"]))
    client = ScfClient(credential, call["region"], profile)
    request = RequestInternal(call["host"], "POST", "/", header={})
    client._build_req_with_tc3_signature(call["action"], call["body"], request)
    return request.header


abstract_client.json = Verbatim
abstract_client.time = Clock
for line in sys.stdin:
    print(json.dumps(headers(json.loads(line))), flush=True)
