"""What to do about an error, by the beginning of its code. The first entry that fits counts."""

REMEDIES = (
    ("NoCredentials", "run `tccli configure` once, or set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY"
     " (https://console.cloud.tencent.com/cam/capi)"),
    ("NoTccli", "install it with `pip install tccli`, or take the broken one off PATH: make installs its own then"),
    ("TccliFailed", "run `tccli configure`, then `tccli scf ListFunctions`: that has to work first"),
    ("AuthFailure.SignatureExpire", "set this machine's clock: it is more than five minutes off"),
    ("AuthFailure.UnauthorizedOperation", "let the account's owner grant it the policy QcloudSCFFullAccess in CAM"),
    ("AuthFailure", "check the secret id and key (`tccli configure`), and whether they are enabled and of this site:"
     " accounts of tencentcloud.com need endpoint = \"scf.intl.tencentcloudapi.com\""),
    ("UnauthorizedOperation", "let the account's owner grant it the policy QcloudSCFFullAccess in CAM"),
    ("ResourceNotFound.Namespace", "make it with `tccli scf CreateNamespace --Namespace NAME`, or set namespace in"
     " deploy.toml"),
    ("ResourceNotFound.Vpc", "check [vpc] in deploy.toml: it has to be in the same region"),
    ("ResourceNotFound.Role", "check cam_role in deploy.toml; the role has to trust scf.qcloud.com"),
    ("ResourceNotFound", "check the ids in deploy.toml: what they name has to be in the same region"),
    ("ResourceUnavailable.InsufficientBalance", "top up the account; SCF does nothing while it is in arrears"),
    ("ResourceInUse", "another change is under way: wait a minute and run it again"),
    ("LimitExceeded", "the account's quota is used up: delete functions or ask the vendor for a larger quota"),
    ("RequestLimitExceeded", "too many calls at once: wait a minute and run it again"),
    ("FailedOperation.FunctionStatusError", "another change is under way: wait until `make deploy-status` says"
     " Active and run it again"),
    ("InvalidParameter", "correct the value that the message names in deploy.toml"),
    ("UnsupportedOperation", "the region or the function does not offer this: try another region in deploy.toml"),
    ("ClientNetworkError", "check the network and endpoint in deploy.toml, then run it again; HTTPS_PROXY is honoured"),
    ("ClientTimeout", "run it again"),
    ("ServerNetworkError", "run it again"),
    ("InternalError", "run it again; if it stays, give the request id to the vendor's support"),
)  # fmt: skip

UNKNOWN = "look the code up at https://cloud.tencent.com/document/api/583/17240, or give the request id to the support"


def remedy(code: str) -> str:
    return next((text for beginning, text in REMEDIES if code.startswith(beginning)), UNKNOWN)
