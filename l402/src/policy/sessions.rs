//! The module `sessions`: a deposit that is used up by the unit, and what is left goes back (the Payment scheme's intent
//! `session`). Off unless its table stands in the policy, and with it the operator holds other people's money.

use super::table::Table;
use super::{Payouts, PolicyFault, Service};
use crate::amount::Msat;

const SESSIONS: [&str; 3] = ["deposit_units", "idle_s", "any_challenge"];

/// How sessions are sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// A deposit is for so many units of the service.
    pub deposit_units: u64,
    /// Seconds without a use after which a session is closed, and what is left goes back.
    pub idle_s: u32,
    /// Whether a session is used and closed with any challenge of ours, and not with those of its own deposits alone.
    pub any_challenge: bool,
}

impl Sessions {
    pub(super) fn of(
        file: &Table<'_>,
        payouts: Option<Payouts>,
        services: &[Service],
    ) -> Result<Option<Self>, PolicyFault> {
        let sold = services.iter().filter(|service| service.session);
        let Some(table) = file.table("sessions", &SESSIONS)? else {
            return match sold.into_iter().next() {
                Some(service) => Err(at(service, "needs a table `sessions`")),
                None => Ok(None),
            };
        };
        let Some(payouts) = payouts else {
            return file
                .fault("sessions", "needs a table `payouts`: what is left of a session goes back over Lightning");
        };
        let idle_s = table.number("idle_s", 10, 86_400)?.unwrap_or(300);
        let sessions = Self {
            deposit_units: table.number("deposit_units", 1, 1_000_000)?.unwrap_or(20),
            idle_s: u32::try_from(idle_s).unwrap_or(u32::MAX),
            any_challenge: table.flag("any_challenge")?,
        };
        for service in sold {
            // What came in must be able to go back.
            if sessions.deposit(service) > payouts.max {
                return Err(at(
                    service,
                    "a deposit, `sessions.deposit_units` times the price, is more than `payouts.max_msat`",
                ));
            }
        }
        Ok(Some(sessions))
    }

    /// What a session of this service begins with.
    #[must_use]
    pub fn deposit(&self, service: &Service) -> Msat {
        Msat(service.price.0.saturating_mul(self.deposit_units))
    }
}

/// The most names of `units`, and the longest of them.
const UNITS_MAX: usize = 32;
const UNIT_CHARS_MAX: usize = 64;

/// Which events of a stream are units of a session, by their `event:`; `None` where the policy does not say.
pub(super) fn units(service: &Table<'_>) -> Result<Option<Vec<String>>, PolicyFault> {
    if !service.has("units") {
        return Ok(None);
    }
    let names = service.texts("units")?;
    let is_name = |name: &&str| {
        (1..=UNIT_CHARS_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
    };
    if !(1..=UNITS_MAX).contains(&names.len()) || !names.iter().all(is_name) {
        let what = "1 to 32 names of events, each of up to 64 letters, digits and any of `._:-`; without it all events with data \
                    but those that only say how the stream goes";
        return service.fault("units", what);
    }
    if !service.flag("session")? {
        return service.fault("units", "goes with `session = true`: only a session is paid by the event");
    }
    Ok(Some(names.into_iter().map(str::to_owned).collect()))
}

fn at(service: &Service, reason: &str) -> PolicyFault {
    PolicyFault::at(format!("services.{}.session", service.id), reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use serde_json::{Value, json};

    fn with(modules: &Value, price_msat: u64, session: bool) -> Result<Policy, String> {
        let mut policy = json!({
            "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
            "services": {"api": {"price_msat": price_msat, "valid_s": 600, "session": session, "routes": [{"path": "/api/*"}]}},
        });
        for (key, value) in modules.as_object().unwrap() {
            policy[key] = value.clone();
        }
        Policy::from_value(&policy).map_err(|fault| fault.key)
    }

    #[test]
    fn a_deposit_is_for_twenty_units_unless_the_operator_says_otherwise() {
        let policy = with(&json!({"payouts": {}, "sessions": {}}), 1_500, true).unwrap();
        let sessions = policy.sessions.unwrap();
        assert_eq!((sessions.deposit(&policy.services[0]), sessions.idle_s), (Msat(40_000), 300));
        let policy =
            with(&json!({"payouts": {}, "sessions": {"deposit_units": 3, "idle_s": 10}}), 1_000, true).unwrap();
        assert_eq!(policy.sessions.unwrap().deposit(&policy.services[0]), Msat(3_000));
    }

    #[test]
    fn units_are_names_of_events_b10() {
        let of = |units: Value, session: bool| {
            let policy = json!({
                "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
                "payouts": {}, "sessions": {},
                "services": {"api": {"price_msat": 1_000, "valid_s": 600, "session": session, "units": units, "routes": [{"path": "/api/*"}]}},
            });
            Policy::from_value(&policy).map(|policy| policy.services[0].units.clone()).map_err(|fault| fault.key)
        };
        let names = ["content_block_delta", "response.output_text.delta", "message"];
        assert_eq!(of(json!(names), true).unwrap().unwrap(), names);
        let wrong = [
            json!([]),
            json!([""]),
            json!(["two words"]),
            json!(["a\nb"]),
            json!("delta"),
            json!([1]),
            json!(vec!["a"; 33]),
        ];
        for units in wrong {
            assert_eq!(of(units.clone(), true).unwrap_err(), "services.api.units", "{units}");
        }
        assert_eq!(of(json!(names), false).unwrap_err(), "services.api.units");
        assert_eq!(with(&json!({"payouts": {}, "sessions": {}}), 1_000, true).unwrap().services[0].units, None);
    }

    #[test]
    fn nobody_has_sessions_unless_the_policy_says_so() {
        let policy = with(&json!({}), 1_000, false).unwrap();
        assert!(policy.sessions.is_none() && !policy.services[0].session);
        assert!(!with(&json!({"payouts": {}, "sessions": {}}), 1_000, false).unwrap().services[0].session);
    }

    #[test]
    fn a_module_that_lacks_what_it_needs_is_refused_t127() {
        assert_eq!(with(&json!({}), 1_000, true).unwrap_err(), "services.api.session");
        assert_eq!(with(&json!({"sessions": {}}), 1_000, true).unwrap_err(), "sessions");
        let all = json!({"payouts": {"max_msat": 20_000}, "sessions": {}});
        assert_eq!(with(&all, 2_000, true).unwrap_err(), "services.api.session");
        assert!(with(&all, 1_000, true).is_ok());
        assert_eq!(
            with(&json!({"payouts": {}, "sessions": {"idle_s": 9}}), 1_000, true).unwrap_err(),
            "sessions.idle_s"
        );
    }
}
