# Satstile on a machine of your own: what workerd runs, and what it can reach. No secret is in here, and what you sell
# is in policy.json. The book's page on self-hosting goes through it; tests/tests/stories/selfhost.rs runs this very file.
#
#   workerd serve workerd.capnp

using Workerd = import "/workerd/workerd.capnp";
using Built = import "worker/modules.capnp";

# The node webhook as the worker names it. Nothing looks this name up: egress.js sends what goes there to `node`, below.
const nodeUrl :Text = "https://node.example.com";

const policy :Text = embed "policy.json";

const config :Workerd.Config = (
  services = [
    (name = "satstile", worker = .satstile),
    (name = "egress", worker = .egress),

    # Two doors to this machine, and there is no third. Where one of them is on another machine, write
    #   external = (address = "10.0.0.7:443", https = (certificateHost = "origin.example.com",
    #                                                  tlsOptions = (trustBrowserCas = true)))
    (name = "origin", external = (address = "127.0.0.1:3000", http = ())),
    (name = "node", external = (address = "127.0.0.1:8788", http = ())),

    # Everything else. Never add "local" or "private": a mistake in the policy would reach what is meant for the machine
    # or its network alone.
    (name = "internet", network = (allow = ["public"], tlsOptions = (trustBrowserCas = true))),

    # What a stranger names: Lightning addresses, and wherever their services lead. The public network (the default of
    # `allow`) and nothing else, whatever you add above, and with no door to this machine. Never add one here.
    (name = "lnurl", network = (deny = ["local", "private"], tlsOptions = (trustBrowserCas = true))),

    # Settlements, counted uses, balances and sessions; only this process may write there.
    (name = "objects", disk = (path = "/var/lib/satstile", writable = true)),
  ],

  # TLS is the affair of the proxy before it, which also says in X-Forwarded-Proto that there was some.
  sockets = [
    (name = "http", address = "127.0.0.1:8787", service = "satstile",
     http = (forwardedProtoHeader = "X-Forwarded-Proto")),
  ],
);

const satstile :Workerd.Worker = (
  modules = Built.modules,
  compatibilityDate = "2026-09-01",
  bindings = [
    (name = "POLICY", json = .policy),
    (name = "NODE_URL", text = .nodeUrl),
    (name = "MASTER_KEYS", fromEnvironment = "MASTER_KEYS"),
    (name = "CHALLENGE_SECRET", fromEnvironment = "CHALLENGE_SECRET"),
    (name = "RELAY_SECRETS", fromEnvironment = "RELAY_SECRETS"),
    (name = "PAYOUT_SECRETS", fromEnvironment = "PAYOUT_SECRETS"), # only with `payouts` in the policy
    (name = "RECEIPT_KEY", fromEnvironment = "RECEIPT_KEY"),
    (name = "AUDIT_KEY", fromEnvironment = "AUDIT_KEY"),
    (name = "LNURL_EGRESS", service = "lnurl"),
    (name = "ORIGIN_SECRET", fromEnvironment = "ORIGIN_SECRET"), # what the origin may know the worker by; not needed
    (name = "PAYMENTS", durableObjectNamespace = "Payment"),
    (name = "MINT_BUDGET", durableObjectNamespace = "MintBudget"),
    (name = "ALLOWANCES", durableObjectNamespace = "Allowance"),
    (name = "TOTALS", durableObjectNamespace = "Totals"),
    (name = "ACCOUNTS", durableObjectNamespace = "Account"),
  ],
  # A uniqueKey is the name of a folder on the disk: leave it as it is.
  durableObjectNamespaces = [
    (className = "Payment", uniqueKey = "Payment", enableSql = true),
    (className = "MintBudget", uniqueKey = "MintBudget", enableSql = true),
    (className = "Allowance", uniqueKey = "Allowance", enableSql = true),
    (className = "Totals", uniqueKey = "Totals", enableSql = true),
    (className = "Account", uniqueKey = "Account", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "objects"),
  globalOutbound = "egress",
);

const egress :Workerd.Worker = (
  modules = [(name = "egress.js", esModule = embed "egress.js")],
  compatibilityDate = "2026-09-01",
  bindings = [
    (name = "POLICY", json = .policy),
    (name = "NODE_URL", text = .nodeUrl),
    (name = "ORIGIN", service = "origin"),
    (name = "NODE", service = "node"),
    (name = "INTERNET", service = "internet"),
  ],
  globalOutbound = "internet",
);
