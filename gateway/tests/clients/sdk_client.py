"""Calls a function with the vendor's SDK, over TLS: sdk_client.py ENDPOINT CA-FILE SECRET-ID SECRET-KEY FUNCTION EVENT.

Prints the answer as a line of JSON; a refusal as its code and message.
"""

import json
import sys

from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416.models import InvokeFunctionRequest
from tencentcloud.scf.v20180416.scf_client import ScfClient

endpoint, authority, secret_id, secret_key, function, event = sys.argv[1:]
http = HttpProfile(endpoint=endpoint, certification=authority, reqTimeout=20)
profile = ClientProfile(httpProfile=http)
# It would call another endpoint, in the cloud.
profile.disable_region_breaker = True
client = ScfClient(Credential(secret_id, secret_key), "ap-guangzhou", profile)
request = InvokeFunctionRequest()
request.FunctionName = function
request.Event = event
try:
    print(json.dumps({"answer": client.InvokeFunction(request).Result.RetMsg}))
except TencentCloudSDKException as refusal:
    print(json.dumps({"code": refusal.get_code(), "message": refusal.get_message()}))
