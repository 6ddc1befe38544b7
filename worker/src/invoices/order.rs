//! What an invoice is wanted for, and what was made.

use l402::Msat;
use l402::bolt11::Invoice;
use l402::policy::Service;

/// An invoice that was looked at.
pub struct Made {
    /// Lower case.
    pub bolt11: String,
    /// What it says.
    pub invoice: Invoice,
    /// What a back end knows it by, where its look-up wants more than the payment hash; empty otherwise.
    pub reference: String,
}

/// What is to be paid for.
pub struct Wanted<'a> {
    /// The service, or what else it is for, with a character before it that no service has. Its settlement brings it back.
    pub name: &'a str,
    /// What the invoice asks.
    pub amount: Msat,
    /// Shown by the payer's wallet.
    pub description: String,
    /// For the operator's books: `l402`, `topup`.
    pub purpose: &'static str,
    /// Who must have signed the invoice.
    pub payee: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// One grant of a service.
    pub fn grant(service: &'a Service, host: &str) -> Self {
        let description = service.description.clone().unwrap_or_else(|| format!("{} at {host}", service.id));
        let payee = service.payee.as_deref();
        Self { name: &service.id, amount: service.price, description, purpose: "l402", payee }
    }
}
