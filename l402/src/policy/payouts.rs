//! The modules `payouts` and `refunds`: money that goes out again. Off unless their tables stand in the policy.

use super::PolicyFault;
use super::table::Table;
use crate::amount::Msat;

const PAYOUTS: [&str; 4] = ["min_msat", "max_msat", "fee_ppm", "fee_min_msat"];
const REFUNDS: [&str; 2] = ["ttl_s", "loss_max_sats_day"];

/// What the node may be asked to pay, and what routing may cost (T94).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payouts {
    /// The least that a balance pays out at once.
    pub min: Msat,
    /// The most.
    pub max: Msat,
    /// Routing may cost so many millionths of the amount …
    pub fee_ppm: u64,
    /// … and always so much.
    pub fee_min: Msat,
}

/// How long a refund waits for its payer, and what all of them may cost the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refunds {
    /// In seconds; then it is the operator's again.
    pub ttl_s: u32,
    /// The most that routing all refunds of one day (UTC) may cost.
    pub loss_max: Msat,
}

impl Payouts {
    pub(super) fn of(file: &Table<'_>) -> Result<Option<Self>, PolicyFault> {
        let Some(table) = file.table("payouts", &PAYOUTS)? else { return Ok(None) };
        let amount = |name, default| Ok(Msat(table.number(name, 1_000, Msat::MAX.0)?.unwrap_or(default)));
        let (min, max) = (amount("min_msat", 1_000)?, amount("max_msat", 100_000_000)?);
        if min > max {
            return table.fault("min_msat", "is more than `max_msat`");
        }
        Ok(Some(Self {
            min,
            max,
            fee_ppm: table.number("fee_ppm", 0, 1_000_000)?.unwrap_or(5_000),
            fee_min: Msat(table.number("fee_min_msat", 0, 1_000_000_000)?.unwrap_or(10_000)),
        }))
    }

    /// The most that routing this amount may cost.
    #[must_use]
    pub fn fee_limit(&self, amount: Msat) -> Msat {
        let share = u128::from(amount.0) * u128::from(self.fee_ppm) / 1_000_000;
        Msat(u64::try_from(share).unwrap_or(u64::MAX).max(self.fee_min.0))
    }
}

impl Refunds {
    pub(super) fn of(file: &Table<'_>, payouts: Option<Payouts>) -> Result<Option<Self>, PolicyFault> {
        let Some(table) = file.table("refunds", &REFUNDS)? else { return Ok(None) };
        if payouts.is_none() {
            return file.fault("refunds", "needs a table `payouts`, which says what routing may cost");
        }
        let ttl_s = table.number("ttl_s", 600, 31_536_000)?.unwrap_or(604_800);
        let loss_max = table.number("loss_max_sats_day", 0, 100_000_000)?.unwrap_or(1_000);
        let ttl_s = u32::try_from(ttl_s).unwrap_or(u32::MAX);
        Ok(Some(Self { ttl_s, loss_max: Msat(loss_max.saturating_mul(1_000)) }))
    }

    /// The most that routing one refund may cost: 1 %, and always a satoshi. The refund is paid in full, and its payer may
    /// own the last hop (T94).
    #[must_use]
    pub const fn fee_limit(amount: Msat) -> Msat {
        let share = amount.0 / 100;
        Msat(if share < 1_000 { 1_000 } else { share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use serde_json::{Value, json};

    fn with(modules: &Value) -> Result<Policy, String> {
        let mut policy = json!({
            "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
            "services": {"api": {"price_msat": 10_000, "valid_s": 600, "uses": 1, "routes": [{"path": "/api/*"}]}},
        });
        for (key, value) in modules.as_object().unwrap() {
            match key.strip_prefix("api.") {
                Some(key) => policy["services"]["api"][key] = value.clone(),
                None => policy[key] = value.clone(),
            }
        }
        Policy::from_value(&policy).map_err(|fault| fault.key)
    }

    #[test]
    fn nothing_goes_out_unless_the_policy_says_so() {
        let policy = with(&json!({})).unwrap();
        assert_eq!((policy.payouts, policy.refunds, policy.services[0].refund), (None, None, false));
        let policy = with(&json!({"payouts": {}, "refunds": {}, "api.refund": true})).unwrap();
        assert!(policy.payouts.is_some() && policy.refunds.is_some() && policy.services[0].refund);
    }

    #[test]
    fn a_module_that_lacks_what_it_needs_is_refused_t127() {
        assert_eq!(with(&json!({"refunds": {}})).unwrap_err(), "refunds");
        assert_eq!(with(&json!({"api.refund": true})).unwrap_err(), "services.api.refund");
        let all = json!({"payouts": {}, "refunds": {}, "api.refund": true, "api.uses": 2});
        assert_eq!(with(&all).unwrap_err(), "services.api.refund");
        assert_eq!(with(&json!({"payouts": {"min_msat": 2_000, "max_msat": 1_000}})).unwrap_err(), "payouts.min_msat");
        assert_eq!(with(&json!({"payouts": {"fee": 1}})).unwrap_err(), "payouts.fee");
    }

    /// A10, T94: one refund, and all of a day.
    #[test]
    fn routing_a_refund_costs_a_hundredth_and_all_of_them_so_much_a_day_a10() {
        for (amount, limit) in
            [(1_000, 1_000), (10_000, 1_000), (100_000, 1_000), (101_000, 1_010), (5_000_000, 50_000)]
        {
            assert_eq!(Refunds::fee_limit(Msat(amount)), Msat(limit));
        }
        let refunds =
            |table: Value| with(&json!({"payouts": {}, "refunds": table})).map(|policy| policy.refunds.unwrap());
        assert_eq!(refunds(json!({})).unwrap(), Refunds { ttl_s: 604_800, loss_max: Msat(1_000_000) });
        assert_eq!(refunds(json!({"loss_max_sats_day": 0})).unwrap().loss_max, Msat(0));
        for wrong in [json!(-1), json!(1.5), json!("10"), json!(100_000_001)] {
            assert_eq!(refunds(json!({"loss_max_sats_day": wrong})).unwrap_err(), "refunds.loss_max_sats_day");
        }
    }

    /// T94.
    #[test]
    fn routing_may_cost_a_share_of_the_amount_and_always_a_little() {
        let payouts = with(&json!({"payouts": {}})).unwrap().payouts.unwrap();
        assert_eq!(payouts.fee_limit(Msat(1_000)), Msat(10_000));
        assert_eq!(payouts.fee_limit(Msat(100_000_000)), Msat(500_000));
        assert_eq!(payouts.fee_limit(Msat(u64::MAX)).0, u64::MAX / 200);
    }
}
