//! What the operator's Prometheus reads: counts and times by back end. No service, amount of a payer, or secret (T128).

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
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
    node_fee_msat: Family<ByBackend, Counter>,
    faults: Family<ByFault, Counter>,
    calls: Family<ByCall, Histogram>,
    pushes: Family<ByOutcome, Counter>,
    refused: Counter,
    payments: Family<ByOutcome, Counter>,
    payments_open: Gauge,
    payments_missed: Counter,
    paid_msat: Counter,
    routing_msat: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("satstile_node");
        let new_histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let metrics = Self {
            invoices: Family::default(),
            settlements: Family::default(),
            settled_msat: Family::default(),
            node_fee_msat: Family::default(),
            faults: Family::default(),
            calls: Family::new_with_constructor(new_histogram),
            pushes: Family::default(),
            refused: Counter::default(),
            payments: Family::default(),
            payments_open: Gauge::default(),
            payments_missed: Counter::default(),
            paid_msat: Counter::default(),
            routing_msat: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("invoices", "Invoices made", metrics.invoices.clone());
        registry.register("settlements", "Invoices paid", metrics.settlements.clone());
        registry.register("settled_msat", "Millisatoshi paid by buyers", metrics.settled_msat.clone());
        registry.register(
            "node_fee_msat",
            "Millisatoshi of them that the node kept for itself, for a channel",
            metrics.node_fee_msat.clone(),
        );
        registry.register("backend_errors", "Calls to a back end that gave nothing", metrics.faults.clone());
        registry.register("backend_call_seconds", "What calls to a back end took", metrics.calls.clone());
        registry.register("pushes", "Settlements told to the worker, by outcome", metrics.pushes.clone());
        registry.register("relay_refused", "Relay messages without a valid signature", metrics.refused.clone());
        registry.register("payments", "Payments out of the node that ended, by outcome", metrics.payments.clone());
        registry.register("payments_open", "Payments whose end is not known", metrics.payments_open.clone());
        registry.register(
            "payments_missed",
            "Payments that a back end was asked for and does not know; somebody must look",
            metrics.payments_missed.clone(),
        );
        registry.register("paid_msat", "Millisatoshi paid out", metrics.paid_msat.clone());
        registry.register("routing_msat", "Millisatoshi that routing them cost", metrics.routing_msat.clone());
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

    pub(crate) fn settled(&self, backend: &str, amount_msat: u64, node_fee_msat: u64) {
        let labels = ByBackend { backend: backend.to_owned() };
        self.settlements.get_or_create(&labels).inc();
        self.settled_msat.get_or_create(&labels).inc_by(amount_msat);
        self.node_fee_msat.get_or_create(&labels).inc_by(node_fee_msat);
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

    /// A payment was ordered, or taken up again after a restart.
    pub(crate) fn payment_opened(&self) {
        self.payments_open.inc();
    }

    pub(crate) fn payment_succeeded(&self, amount_msat: u64, fee_msat: u64) {
        self.payment_ended("succeeded");
        self.paid_msat.inc_by(amount_msat);
        self.routing_msat.inc_by(fee_msat);
    }

    pub(crate) fn payment_failed(&self) {
        self.payment_ended("failed");
    }

    /// It was never begun.
    pub(crate) fn payment_refused(&self) {
        self.payments.get_or_create(&ByOutcome { outcome: "refused" }).inc();
    }

    pub(crate) fn payment_missed(&self) {
        self.payments_missed.inc();
    }

    fn payment_ended(&self, outcome: &'static str) {
        self.payments.get_or_create(&ByOutcome { outcome }).inc();
        self.payments_open.dec();
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
        metrics.settled("dev", 21_000, 0);
        metrics.payment_opened();
        metrics.payment_opened();
        metrics.payment_succeeded(5_000, 7);
        metrics.called("dev", "create", Duration::from_millis(3), Some(&BackendFault::Busy(503)));
        let text = metrics.text();
        for line in [
            r#"satstile_node_invoices_total{backend="dev"} 1"#,
            r#"satstile_node_settled_msat_total{backend="dev"} 21000"#,
            r#"satstile_node_payments_total{outcome="succeeded"} 1"#,
            "satstile_node_payments_open 1",
            "satstile_node_paid_msat_total 5000",
            "satstile_node_routing_msat_total 7",
            r#"satstile_node_backend_errors_total{backend="dev",fault="busy"} 1"#,
            r#"satstile_node_backend_call_seconds_bucket{le="0.005",backend="dev",call="create"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
