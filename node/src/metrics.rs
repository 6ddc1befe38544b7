//! What the operator's Prometheus reads: counts and times by back end. No service, amount of a payer, or secret (T128).

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use satstile_lightning::BackendFault;

/// From a node in the same machine to one at the end of its deadline, in seconds.
const BUCKETS: [f64; 9] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 4.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByBackend {
    backend: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCall {
    backend: String,
    call: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFault {
    backend: String,
    fault: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    invoices: Family<ByBackend, Counter>,
    settlements: Family<ByBackend, Counter>,
    settled_msat: Family<ByBackend, Counter>,
    faults: Family<ByFault, Counter>,
    calls: Family<ByCall, Histogram>,
    pushes: Family<ByOutcome, Counter>,
    refused: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("satstile_node");
        let new_histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let metrics = Self {
            invoices: Family::default(),
            settlements: Family::default(),
            settled_msat: Family::default(),
            faults: Family::default(),
            calls: Family::new_with_constructor(new_histogram),
            pushes: Family::default(),
            refused: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("invoices", "Invoices made", metrics.invoices.clone());
        registry.register("settlements", "Invoices paid", metrics.settlements.clone());
        registry.register("settled_msat", "Millisatoshi received", metrics.settled_msat.clone());
        registry.register("backend_errors", "Calls to a back end that gave nothing", metrics.faults.clone());
        registry.register("backend_call_seconds", "What calls to a back end took", metrics.calls.clone());
        registry.register("pushes", "Settlements told to the worker, by outcome", metrics.pushes.clone());
        registry.register("relay_refused", "Relay messages without a valid signature", metrics.refused.clone());
        Self { registry, ..metrics }
    }

    /// In the OpenMetrics text format.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let _ = encode(&mut text, &self.registry); // writing to a String cannot fail
        text
    }

    pub(crate) fn made(&self, backend: &str) {
        self.invoices.get_or_create(&ByBackend { backend: backend.to_owned() }).inc();
    }

    pub(crate) fn settled(&self, backend: &str, amount_msat: u64) {
        let labels = ByBackend { backend: backend.to_owned() };
        self.settlements.get_or_create(&labels).inc();
        self.settled_msat.get_or_create(&labels).inc_by(amount_msat);
    }

    pub(crate) fn called(&self, backend: &str, call: &'static str, took: Duration, fault: Option<&BackendFault>) {
        self.calls.get_or_create(&ByCall { backend: backend.to_owned(), call }).observe(took.as_secs_f64());
        if let Some(fault) = fault {
            self.fault(backend, fault.name());
        }
    }

    /// It made another invoice than it was asked for.
    pub(crate) fn lied(&self, backend: &str) {
        self.fault(backend, "wrong_invoice");
    }

    pub(crate) fn pushed(&self, outcome: &'static str) {
        self.pushes.get_or_create(&ByOutcome { outcome }).inc();
    }

    pub(crate) fn refused(&self) {
        self.refused.inc();
    }

    fn fault(&self, backend: &str, fault: &'static str) {
        self.faults.get_or_create(&ByFault { backend: backend.to_owned(), fault }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_counted_by_back_end() {
        let metrics = Metrics::new();
        metrics.made("dev");
        metrics.settled("dev", 21_000);
        metrics.called("dev", "create", Duration::from_millis(3), Some(&BackendFault::Busy(503)));
        let text = metrics.text();
        for line in [
            r#"satstile_node_invoices_total{backend="dev"} 1"#,
            r#"satstile_node_settled_msat_total{backend="dev"} 21000"#,
            r#"satstile_node_backend_errors_total{backend="dev",fault="busy"} 1"#,
            r#"satstile_node_backend_call_seconds_bucket{le="0.005",backend="dev",call="create"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
