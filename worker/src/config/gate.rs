//! The configuration of this isolate: policy and secrets, read once, and what a bad one means.
//!
//! A fault never stops the isolate. It shuts every paid route with 503, names the key in the log, and
//! leaves what is free open as long as the policy itself can be read.

use std::cell::RefCell;
use std::rc::Rc;

use l402::client::Connection;
use l402::decide::{OWN_PREFIX, Place};
use l402::path::RequestUrl;
use l402::problem::Refusal;
use l402::{Decision, Keys, Policy, Request, Secret, UnixTime};
use worker::Env;

use crate::config::node::{self, noted};
use crate::config::origin::OriginSecret;
use crate::config::receipts::ReceiptKeys;
use crate::invoices::backend::{Node, Webhook};
use crate::platform::{crypto, log};

/// Everything a request needs to know.
pub struct Gate {
    /// The checked policy.
    pub policy: Policy,
    /// The operator's keys.
    pub keys: Keys,
    /// Who makes the invoices.
    pub node: Node,
    /// Who signs receipts.
    pub receipts: ReceiptKeys,
    /// Who pays out, where the policy has `payouts`.
    pub payer: Option<Webhook>,
    /// Opens `audit`.
    pub audit_key: Secret,
    /// What the origin knows us by, where it is shut to everybody else.
    pub origin_secret: Option<OriginSecret>,
}

/// What can still be served with a faulty configuration.
pub struct Free {
    /// The policy.
    pub policy: Policy,
    /// Keys that open nothing.
    keys: Keys,
    /// What the origin knows us by.
    pub origin_secret: Option<OriginSecret>,
}

/// A gate, or what is missing for one.
pub enum Setup {
    /// Everything stands.
    Ready(Rc<Gate>),
    /// Something does not; what is free may still be served.
    Faulty {
        /// When that much could be read.
        free: Option<Box<Free>>,
        /// One sentence for each fault.
        faults: Vec<String>,
    },
}

thread_local! {
    static SETUP: RefCell<Option<Rc<Setup>>> = const { RefCell::new(None) };
}

/// Runs `f` with this isolate's configuration; `None` before [`load`].
pub fn with<T>(f: impl FnOnce(&Setup) -> T) -> Option<T> {
    current().map(|setup| f(&setup))
}

/// This isolate's configuration, to be kept across an await.
pub fn current() -> Option<Rc<Setup>> {
    SETUP.with(|setup| setup.borrow().clone())
}

/// Reads policy and secrets. Every fault is logged once, with the key it is about.
pub fn load(env: &Env, policy_file: &str) {
    let setup = read(env, policy_file);
    if let Setup::Faulty { faults, .. } = &setup {
        faults.iter().for_each(|fault| log::not_ready(fault));
    }
    SETUP.with(|current| *current.borrow_mut() = Some(Rc::new(setup)));
}

/// Looks at the connection of a request. A policy that this runtime cannot keep (T47) shuts what is sold, as any other
/// fault does: the first request shows it.
pub fn meet(connection: Connection) {
    let Some(setup) = current() else { return };
    let Setup::Ready(gate) = &*setup else { return };
    if gate.policy.client_ip.holds_for(connection) {
        return;
    }
    let fault = "client_ip: `cloudflare` is believed on Cloudflare only, and here workerd itself takes the connections, so \
                 that any client could write CF-Connecting-IP; say `peer`, or { trusted_proxy, header } behind a proxy";
    log::not_ready(fault);
    let (policy, origin_secret) = (gate.policy.clone(), gate.origin_secret.clone());
    let free = keys_that_open_nothing().map(|keys| Box::new(Free { policy, keys, origin_secret }));
    let faulty = Setup::Faulty { free, faults: vec![fault.to_owned()] };
    SETUP.with(|current| *current.borrow_mut() = Some(Rc::new(faulty)));
}

impl Setup {
    /// The core's decision; with a faulty configuration, free routes or nothing.
    pub fn decide(&self, request: &Request<'_>, now: UnixTime) -> Decision<'_> {
        match self {
            Self::Ready(gate) => l402::decide(&gate.policy, &gate.keys, request, now),
            Self::Faulty { free: Some(free), .. } => match l402::decide(&free.policy, &free.keys, request, now) {
                open @ (Decision::Free(_) | Decision::Preflight(_) | Decision::Own(..)) => open,
                Decision::Refuse(Refusal::Malformed(why), _) => Decision::Refuse(Refusal::Malformed(why), None),
                _ => Decision::Refuse(Refusal::NotReady, None),
            },
            Self::Faulty { free: None, .. } => match own_name(request.url) {
                Some(name) => Decision::Own(name.to_owned(), Place::default()),
                None => Decision::Refuse(Refusal::NotReady, None),
            },
        }
    }
}

/// What is asked of the kit itself; `health` answers without a policy, too.
fn own_name(url: &str) -> Option<&str> {
    RequestUrl::split(url).ok()?.unverified_target.strip_prefix(OWN_PREFIX)
}

fn read(env: &Env, policy_file: &str) -> Setup {
    let policy = policy(env, policy_file);
    let mut faults = Vec::new();
    let mut secret = |name: &str| {
        let value = text(env, name);
        if value.is_none() {
            faults.push(format!("{name} is missing; set it with `wrangler secret put {name}`"));
        }
        value
    };
    let (masters, challenge) = (secret("MASTER_KEYS"), secret("CHALLENGE_SECRET"));
    let (receipts, audit) = (secret("RECEIPT_KEY"), secret("AUDIT_KEY"));

    let keys = masters.zip(challenge).map(|(m, c)| Keys::parse(&m, &c).map_err(|e| e.to_string()));
    let receipts = receipts.map(|text| ReceiptKeys::parse(&text).map_err(|e| format!("RECEIPT_KEY {e}")));
    let audit_key = audit.map(|text| Secret::from_base64(&text).map_err(|e| format!("AUDIT_KEY {e}")));
    let node = node::read(&|name| text(env, name), policy.as_ref().ok(), &mut faults);

    let origin_secret = text(env, "ORIGIN_SECRET").map(|text| OriginSecret::parse(&text));
    // An origin that is shut to strangers would refuse what comes without it: then nothing is forwarded at all.
    let is_origin_known = !matches!(origin_secret, Some(Err(_)));
    let origin_secret = noted(origin_secret, &mut faults);

    let secrets = text(env, "PAYOUT_SECRETS");
    let payer = node::payer(policy.as_ref().ok(), node.as_ref(), secrets, &mut faults);
    let pays_out = policy.as_ref().is_ok_and(|policy| policy.payouts.is_some());

    let keys = noted(keys, &mut faults);
    let receipts = noted(receipts, &mut faults);
    let audit_key = noted(audit_key, &mut faults);
    let policy = noted(Some(policy), &mut faults);
    match (policy, keys, node, receipts, audit_key) {
        (Some(policy), Some(keys), Some(node), Some(receipts), Some(audit_key))
            if payer.is_some() == pays_out && is_origin_known =>
        {
            Setup::Ready(Rc::new(Gate { policy, keys, node, receipts, payer, audit_key, origin_secret }))
        }
        (policy, ..) => {
            let free = policy.zip(keys_that_open_nothing()).filter(|_| is_origin_known);
            Setup::Faulty { free: free.map(|(policy, keys)| Box::new(Free { policy, keys, origin_secret })), faults }
        }
    }
}

/// A text of the environment. What is bound and is no text is missing, too: workerd says `null` for a variable that its
/// own environment lacks (`fromEnvironment`).
fn text(env: &Env, name: &str) -> Option<String> {
    worker::js_sys::Reflect::get(env, &name.into()).ok()?.as_string()
}

/// `[vars.POLICY]` or `policy.toml`, exactly one of them (C10). The build turns the latter into JSON, so
/// that no TOML reader has to be in the wasm for a file that is read once.
fn policy(env: &Env, policy_file: &str) -> Result<Policy, String> {
    let var = worker::js_sys::Reflect::get(env, &"POLICY".into()).ok().filter(|value| value.is_object());
    let var = var.and_then(|var| worker::js_sys::JSON::stringify(&var).ok()).map(String::from);
    let written = match (var, policy_file.trim()) {
        (None, "") => return Err("policy: none; write one under [vars.POLICY] in wrangler.toml".to_owned()),
        (Some(var), "") => var,
        (None, file) => file.to_owned(),
        (Some(_), _) => {
            return Err("policy: both [vars.POLICY] and policy.toml have one; keep one of them".to_owned());
        }
    };
    Policy::from_json(&written).map_err(|e| e.to_string())
}

/// With these every token is of an unknown key: nothing is ever verified, let alone charged.
fn keys_that_open_nothing() -> Option<Keys> {
    let random = || crypto::random::<32>().ok().map(|bytes| l402::encoding::to_base64(&bytes));
    Keys::parse(&format!("0:{}", random()?), &random()?).ok()
}
