//! Everything a payment needs: origin, node webhook and worker, each knowing the others' addresses.

use serde_json::{Value, json};

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
}

impl Default for StackOptions {
    fn default() -> Self {
        Self { policy: json!({}), vars: json!({}), node: true }
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
        let StackOptions { policy: policy_patch, vars: vars_patch, node: with_node } = options;
        let (secrets, port) = (Secrets::random(), free_port());
        let public_url = format!("http://{}", loopback(port));
        let origin = Origin::start();
        let node = with_node.then(|| Node::start(&public_url, &secrets.relay_secrets));
        let node_url = node.as_ref().map_or_else(|| format!("http://{}", loopback(free_port())), Node::url);

        let mut policy = json!({ "origin": origin.url(), "public_url": public_url });
        merge(&mut policy, &policy_patch);
        let mut vars = json!({ "NODE_URL": node_url });
        merge(&mut vars, &vars_patch);
        let workerd = Workerd::start(WorkerdOptions {
            policy,
            vars,
            secrets: secrets.clone(),
            port,
            ..WorkerdOptions::default()
        });
        Self { workerd, node, origin, secrets }
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
