//! Everything a payment needs: origin, node webhook and worker, each knowing the others' addresses.

use serde_json::{Value, json};

use crate::origin::Pages;
use crate::wrangler::merge;
use crate::{Node, Origin, Secrets, Workerd, WorkerdOptions, free_port, loopback};

/// How a stack differs from the demo deployment in `wrangler.toml`.
#[derive(Clone, Debug)]
pub struct StackOptions {
    /// Laid over the policy; see [`merge`]. `origin` and `public_url` are set by the stack unless given here.
    pub policy: Value,
    /// Laid over `[vars]`.
    pub vars: Value,
    /// Without, `NODE_URL` names a port where nobody listens.
    pub node: bool,
    /// For a real browser: the edge's name is `localhost`, because Chromium keeps `Secure` cookies of plain http for no
    /// other; the origin's pages know the dev wallet, which takes their payments; and a friend has a blog.
    pub pages: bool,
    /// The node webhook pays out, and the worker may ask it to; by the dev node, unless `payout_backend` names another.
    pub payouts: bool,
    /// Who pays out, as a connection string; empty for the dev node.
    pub payout_backend: String,
    /// As [`WorkerdOptions::platform`].
    pub platform: bool,
    /// What the node webhook asks for invoices, a connection string a line; the dev node when empty.
    pub backends: String,
    /// As [`WorkerdOptions::files`].
    pub files: Option<String>,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            policy: json!({}),
            vars: json!({}),
            node: true,
            pages: false,
            payouts: false,
            payout_backend: String::new(),
            platform: false,
            backends: String::new(),
            files: None,
        }
    }
}

impl StackOptions {
    /// The demo with another policy.
    pub fn policy(policy: Value) -> Self {
        Self { policy, ..Self::default() }
    }
}

/// A running stack. Dropped in the order of the fields: the worker first.
pub struct Stack {
    /// The edge.
    pub workerd: Workerd,
    node: Option<Node>,
    /// What is protected.
    pub origin: Origin,
    /// What only the worker and the node know.
    pub secrets: Secrets,
}

impl Stack {
    /// Starts all three with secrets of their own.
    pub fn start(options: StackOptions) -> Self {
        let StackOptions {
            policy: policy_patch,
            vars: vars_patch,
            node: with_node,
            pages,
            payouts,
            payout_backend,
            platform,
            backends,
            files,
        } = options;
        let (secrets, port) = (Secrets::random(), free_port());
        let address = format!("http://{}", loopback(port));
        let public_url = if pages { format!("http://localhost:{port}") } else { address.clone() };
        let blog = loopback(free_port());
        let payers = if pages { vec![public_url.clone(), format!("http://{blog}")] } else { Vec::new() };
        let node = with_node.then(|| {
            if payouts {
                Node::start_paying(
                    &backends,
                    &payout_backend,
                    &address,
                    [&secrets.relay_secrets, &secrets.payout_secrets],
                )
            } else if backends.is_empty() {
                Node::start_for_pages(&address, &secrets.relay_secrets, &payers)
            } else {
                Node::start_on(&backends, &address, &secrets.relay_secrets)
            }
        });
        let pages = node.as_ref().filter(|_| pages).map(|node| Pages {
            wallet_url: format!("http://{}", node.wallet_address()),
            blog,
            edge: public_url.clone(),
        });
        let origin = Origin::start_with(pages.as_ref());
        let node_url = node.as_ref().map_or_else(|| format!("http://{}", loopback(free_port())), Node::url);

        // A `null` in the patch takes a key of the demo out, so it has to get through.
        let mut policy = policy_patch;
        for (key, value) in [("origin", origin.url()), ("public_url", public_url)] {
            if policy.get(key).is_none() {
                policy[key] = value.into();
            }
        }
        let mut vars = json!({ "NODE_URL": node_url });
        if payouts {
            vars["PAYOUT_SECRETS"] = secrets.payout_secrets.clone().into();
        }
        merge(&mut vars, &vars_patch);
        let workerd = Workerd::start(WorkerdOptions {
            policy,
            vars,
            secrets: secrets.clone(),
            port,
            platform,
            files,
            ..WorkerdOptions::default()
        });
        Self { workerd, node, origin, secrets }
    }

    /// The name that browsers know the edge by.
    pub fn localhost(&self) -> String {
        format!("http://localhost:{}", self.workerd.address().port())
    }

    /// A URL at the edge.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.workerd.address())
    }

    /// The node webhook.
    #[track_caller]
    pub fn node(&self) -> &Node {
        self.node.as_ref().expect("this stack was started without a node")
    }

    /// The node webhook, to stop and start it.
    #[track_caller]
    pub fn node_mut(&mut self) -> &mut Node {
        self.node.as_mut().expect("this stack was started without a node")
    }

    /// Everything that any of the processes has printed; no secret may ever be in it (T120).
    pub fn log(&self) -> Vec<String> {
        let node = self.node.as_ref().map(Node::log).unwrap_or_default();
        self.workerd.log().into_iter().chain(node).collect()
    }
}
