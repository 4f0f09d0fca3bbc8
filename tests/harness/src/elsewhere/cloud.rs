//! A stand-in for the cloud API, over TLS: it checks each signature with the vendor's SDK, runs the called function
//! behind the project's own stand-in for SCF, and misbehaves on demand.

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use scf_websocket_gateway::function::runtime_api::Outcome;
use serde_json::{Value, json};

use super::{
    certificates::Authority,
    function::{Ended, Function},
    sdk::{Claim, Signer, python},
    server::{Reply, Request, Server},
};
use crate::eventually;

/// Where the functions are.
pub const REGION: &str = "ap-guangzhou";
/// A region without functions. Any other is unknown.
const OTHER_REGION: &str = "ap-shanghai";
/// How far off a time stamp may be.
const CLOCK_SECONDS: i64 = 300;
/// The headers of the SDK that a call need not have, or not with that value.
const OPTIONAL: [&str; 3] = ["X-TC-RequestClient", "X-TC-Language", "X-TC-TraceId"];

/// What the stand-in does with the next call in place of what it should do.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Refuses it with this code, function not run.
    Refused(&'static str),
    /// The function has this status in its result, for example 433.
    Reported(u16),
    /// Answers with this body, function not run.
    Garbage(&'static str),
    /// An HTTP status, function not run.
    Status(u16),
    /// The connection ends before the answer; the function has run.
    Cut,
    /// The connection ends in the middle of the answer; the function has run.
    Half,
    /// Takes its time.
    Slow(Duration),
    /// Never answers.
    Hang,
}

/// A call whose signature was accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub action: String,
    pub region: String,
    pub parameters: Value,
    pub secret_id: String,
    pub token: String,
    pub trace_id: String,
    /// Counts from 1.
    pub connection: usize,
}

/// A key pair that the stand-in knows, with its token if it is a temporary one.
#[derive(Debug, Clone)]
struct Account {
    secret_key: String,
    token: Option<String>,
}

/// The stand-in.
pub struct Cloud {
    pub authority: Authority,
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    signer: Signer,
    accounts: Mutex<HashMap<String, Account>>,
    /// By namespace and name.
    functions: Mutex<HashMap<(String, String), Arc<Function>>>,
    faults: Mutex<VecDeque<Fault>>,
    accepted: Mutex<Vec<Accepted>>,
    invocations: AtomicUsize,
    /// How far ahead its clock is.
    clock: AtomicI64,
}

impl Cloud {
    /// `None`: the vendor's SDK cannot be had, and the test is to be skipped.
    pub async fn start() -> Option<Self> {
        let python = tokio::task::spawn_blocking(python).await.expect("no panic")?;
        let shared = Arc::new(Shared {
            signer: Signer::start(&python),
            accounts: Mutex::default(),
            functions: Mutex::default(),
            faults: Mutex::default(),
            accepted: Mutex::default(),
            invocations: AtomicUsize::new(0),
            clock: AtomicI64::new(0),
        });
        let authority = Authority::new();
        let handler = {
            let shared = Arc::clone(&shared);
            Arc::new(move |request: Request| -> futures_util::future::BoxFuture<'static, Reply> {
                let shared = Arc::clone(&shared);
                Box::pin(async move { shared.answer(&request).await })
            })
        };
        let server = Server::start(handler, Some(authority.acceptor())).await;
        Some(Self { authority, server, shared })
    }

    /// `https://127.0.0.1:…`
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.server.addr)
    }

    /// Makes a key pair known.
    pub fn account(&self, secret_id: &str, secret_key: &str, token: Option<&str>) {
        let account = Account { secret_key: secret_key.to_owned(), token: token.map(str::to_owned) };
        self.shared.accounts.lock().expect("no panic").insert(secret_id.to_owned(), account);
    }

    /// Makes a key pair unknown.
    pub fn forget(&self, secret_id: &str) {
        self.shared.accounts.lock().expect("no panic").remove(secret_id);
    }

    /// Creates a function that runs this program.
    pub fn function(&self, namespace: &str, name: &str, program: &Path, variables: &[(&str, &str)]) {
        let function = Arc::new(Function::new(program, variables));
        let name = (namespace.to_owned(), name.to_owned());
        self.shared.functions.lock().expect("no panic").insert(name, function);
    }

    /// What it does with the next calls.
    pub fn misbehave(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.faults.lock().expect("no panic").extend(faults);
    }

    /// Sets its clock ahead, or with a negative number back.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.shared.clock.store(seconds, Ordering::Release);
    }

    /// The calls whose signatures were accepted, up to now.
    pub fn accepted(&self) -> Vec<Accepted> {
        self.shared.accepted.lock().expect("no panic").clone()
    }

    /// The names of the called functions, once there were so many calls whose signatures were accepted.
    pub async fn called(&self, count: usize) -> Vec<String> {
        let calls = eventually("calls of cloud functions", || {
            Some(self.accepted()).filter(|accepted| accepted.len() >= count)
        })
        .await;
        let name = |call: Accepted| call.parameters["FunctionName"].as_str().unwrap_or_default().to_owned();
        calls.into_iter().map(name).collect()
    }

    /// The server under it, which has seen every request.
    pub fn server(&self) -> &Server {
        &self.server
    }
}

impl Shared {
    async fn answer(&self, request: &Request) -> Reply {
        let accepted = match self.accept(request).await {
            Ok(accepted) => accepted,
            Err((code, message)) => return self.refused(code, message),
        };
        self.accepted.lock().expect("no panic").push(accepted.clone());
        let fault = self.faults.lock().expect("no panic").pop_front();
        match fault {
            Some(Fault::Refused(code)) => return self.refused(code, "on demand"),
            Some(Fault::Reported(status)) => {
                return self.api(&json!({"Result": reported(status, "on demand")}));
            }
            Some(Fault::Garbage(body)) => return Reply::ok(body),
            Some(Fault::Status(status)) => return Reply::status(status, "on demand"),
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            Some(Fault::Hang) => return Reply::Hang,
            Some(Fault::Cut | Fault::Half) | None => {}
        }
        let answer = self.carry_out(&accepted).await;
        match fault {
            Some(Fault::Cut) => Reply::Cut,
            Some(Fault::Half) => Reply::Half,
            _ => answer,
        }
    }

    /// Whether the call is signed as the vendor's SDK would sign it, by an account that is known.
    async fn accept(&self, request: &Request) -> Result<Accepted, (&'static str, &'static str)> {
        let authorization = request.header("authorization");
        let (secret_id, _) = authorization
            .strip_prefix("TC3-HMAC-SHA256 Credential=")
            .and_then(|rest| rest.split_once('/'))
            .ok_or(("AuthFailure.InvalidAuthorization", "the header Authorization is not valid"))?;
        let account = self.accounts.lock().expect("no panic").get(secret_id).cloned();
        let account = account.ok_or(("AuthFailure.SecretIdNotFound", "the SecretId is not found"))?;
        if request.header("x-tc-token") != account.token.as_deref().unwrap_or_default() {
            return Err(("AuthFailure.TokenFailure", "the token is not valid"));
        }
        let timestamp: i64 =
            request.header("x-tc-timestamp").parse().map_err(|_| ("MissingParameter", "X-TC-Timestamp"))?;
        if (self.now() - timestamp).abs() > CLOCK_SECONDS {
            return Err(("AuthFailure.SignatureExpire", "the time stamp is off by more than 5 minutes"));
        }
        let body = std::str::from_utf8(&request.body).map_err(|_| ("InvalidParameter", "no UTF-8"))?;
        let claim = Claim {
            secret_id,
            secret_key: &account.secret_key,
            token: account.token.as_deref(),
            region: request.header("x-tc-region"),
            host: request.header("host"),
            action: request.header("x-tc-action"),
            timestamp,
            body,
        };
        let expected = self.signer.headers(&claim).await;
        let differs = expected.as_object().into_iter().flatten().any(|(name, value)| {
            !OPTIONAL.contains(&name.as_str()) && request.header(name) != value.as_str().unwrap_or_default()
        });
        if differs || expected["Authorization"].as_str().is_none() || request.target() != "POST /" {
            return Err(("AuthFailure.SignatureFailure", "the SDK computes other headers"));
        }
        match claim.region {
            REGION | OTHER_REGION => {}
            _ => return Err(("UnsupportedRegion", "the region is not supported")),
        }
        let parameters =
            serde_json::from_str(body).map_err(|_| ("InvalidParameter", "the body is no JSON"))?;
        Ok(Accepted {
            action: claim.action.to_owned(),
            parameters,
            secret_id: secret_id.to_owned(),
            token: request.header("x-tc-token").to_owned(),
            trace_id: request.header("x-tc-traceid").to_owned(),
            region: claim.region.to_owned(),
            connection: request.connection,
        })
    }

    async fn carry_out(&self, call: &Accepted) -> Reply {
        let text = |name: &str| call.parameters[name].as_str().map(str::to_owned);
        let namespace = text("Namespace").unwrap_or_else(|| "default".to_owned());
        let name = text("FunctionName").unwrap_or_default();
        let function = self.functions.lock().expect("no panic").get(&(namespace, name.clone())).cloned();
        let Some(function) = function.filter(|_| call.region == REGION) else {
            return self.refused("ResourceNotFound.Function", "the function does not exist");
        };
        match call.action.as_str() {
            "GetFunction" => return self.api(&json!({"FunctionName": name, "Status": "Active"})),
            "GetAlias" if text("Name").as_deref() == Some("blue") => {
                return self.api(&json!({"Name": "blue"}));
            }
            "GetAlias" => return self.refused("ResourceNotFound.Alias", "the alias does not exist"),
            "InvokeFunction" => {}
            _ => return self.refused("InvalidAction", "the action does not exist"),
        }
        if !matches!(text("Qualifier").as_deref(), None | Some("$DEFAULT" | "$LATEST" | "blue")) {
            return self.refused("ResourceNotFound.Qualifier", "the version does not exist");
        }
        let Some(event) = text("Event") else {
            return self.refused("InvalidParameter.Payload", "the event is no text");
        };
        // Each event has an id of its own: a function that is offered one twice keeps to its first outcome.
        let number = self.invocations.fetch_add(1, Ordering::Relaxed) + 1;
        let request_id = format!("function-request-{number}");
        let result = match function.invoke(&request_id, event).await {
            Ok(Outcome::Response(answer)) => json!({
                "RetMsg": String::from_utf8_lossy(&answer), "ErrMsg": "", "InvokeResult": 0, "Duration": 1.25,
                "BillDuration": 2, "MemUsage": 1_048_576, "Log": "", "FunctionRequestId": request_id,
            }),
            Ok(Outcome::Error(message)) => reported(430, &String::from_utf8_lossy(&message)),
            Err(Ended::TimedOut) => reported(433, "Invoking task timed out after 10 seconds"),
            Err(Ended::Exited) => reported(439, "Process exited before completing request"),
        };
        self.api(&json!({"Result": result}))
    }

    fn refused(&self, code: &str, message: &str) -> Reply {
        self.api(&json!({"Error": {"Code": code, "Message": message}}))
    }

    fn api(&self, response: &Value) -> Reply {
        let mut response = response.clone();
        response["RequestId"] = "a-request-id".into();
        let date = UNIX_EPOCH + Duration::from_secs(u64::try_from(self.now()).unwrap_or_default());
        Reply::ok(json!({"Response": response}).to_string())
            .with("Content-Type", "application/json")
            .with("Date", httpdate::fmt_http_date(date))
    }

    fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        i64::try_from(now).unwrap_or_default() + self.clock.load(Ordering::Acquire)
    }
}

fn reported(status: u16, message: &str) -> Value {
    let report = json!({
        "errorCode": -1, "errorMessage": message, "requestId": "a-function-request-id", "statusCode": status,
    });
    json!({
        "RetMsg": report.to_string(), "ErrMsg": "", "InvokeResult": -1, "Duration": 1.25,
        "FunctionRequestId": "a-function-request-id",
    })
}
