//! The two ways to say no: [`Malformed`], it cannot be read; [`Denial`], it was read and refused.
//!
//! `Display` is a sentence for the person who must fix the request. Which status code it becomes is
//! known to [`crate::problem`] alone.

use core::fmt;

use crate::amount::Msat;
use crate::caps::{Cap, Limit};
use crate::payment::ChargeFault;

/// The request cannot be read in one way only. Costs no invoice, forwards nothing (400, 414, 421, 431).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The request target is longer than 8 KiB.
    TargetTooLong,
    /// The path or query has a spelling that a gate and an origin could read differently (T26).
    AmbiguousTarget(&'static str),
    /// A credential stands in the query string, where logs and referrers keep it (T121).
    CredentialInQuery,
    /// The `Host` is not a host name with an optional port (T28).
    UnreadableHost,
    /// The host is not one that this deployment serves (T28).
    UnknownHost,
    /// More than 100 header lines, or 64 KiB of them (T44).
    TooManyHeaders,
    /// `Authorization` is longer than 8 KiB (T44).
    AuthorizationTooLong,
    /// The `Authorization` header names our scheme, but what follows is no credential.
    Credential(&'static str),
    /// A macaroon in another serialisation than the one that is read here (T5).
    TokenFormat,
    /// `_method` in the query names a method that the route does not take (T30).
    MethodInQuery,
    /// Two credentials that differ, or of two schemes (T19).
    TwoCredentials,
    /// `Idempotency-Key` is empty, long, several, or holds what no string does.
    IdempotencyKey,
    /// A GET or HEAD with a body (T31).
    BodyOnGet,
    /// A protocol upgrade other than a WebSocket on a free route (T33).
    Upgrade,
    /// The request already passed this deployment (T50).
    Loop,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TargetTooLong => "the URL is longer than 8192 bytes",
            Self::AmbiguousTarget(why) => return write!(f, "the URL has more than one reading: {why}"),
            Self::CredentialInQuery => "a credential belongs in the Authorization header, not in the query string",
            Self::UnreadableHost => "the Host header is not a host name with an optional port",
            Self::UnknownHost => "this host is not served here",
            Self::TooManyHeaders => "more than 100 header fields, or more than 65536 bytes of them",
            Self::AuthorizationTooLong => "the Authorization header is longer than 8192 bytes",
            Self::Credential(why) => return write!(f, "the Authorization header cannot be read: {why}"),
            Self::TokenFormat => {
                "the macaroon is in JSON, in hex or in version 1: re-serialise it as version 2, binary, in base64"
            }
            Self::MethodInQuery => {
                "`_method` in the query names a method that this route does not take; leave it out, or send that method \
                 to a route that takes it"
            }
            Self::TwoCredentials => "two different credentials in one request; send one",
            Self::IdempotencyKey => "Idempotency-Key takes one key of 1 to 255 visible ASCII characters",
            Self::BodyOnGet => "a GET or HEAD request cannot carry a body here",
            Self::Upgrade => "the only upgrade here is a GET with `Upgrade: websocket` on a free route; send the request without `Upgrade`",
            Self::Loop => "the request has been here before: the origin points back at this host",
        })
    }
}

impl std::error::Error for Malformed {}

/// The credential was read, and does not open this door, now. The first three cost no invoice (T129).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The key id is not in the ring: made elsewhere, or junk.
    UnknownKey,
    /// The signature is not ours: changed, or junk.
    BadSignature,
    /// It names a third party, and nobody here discharges those.
    ThirdPartyCaveat,
    /// sha256(preimage) is not the payment hash the token commits to.
    WrongPreimage,
    /// Genuine, but the operator retired its key.
    KeyRetired,
    /// `<service>_valid_until` has passed.
    Expired,
    /// Bought for another service.
    OtherService,
    /// Bought for another route of the service.
    OtherRoute,
    /// Bought for other methods.
    OtherMethod,
    /// Bought from another deployment.
    OtherDeployment,
    /// Bound to another request body.
    OtherBody,
    /// One of the four caveats every token of ours carries is missing (T8).
    MissingCaveat,
    /// A later caveat is wider than an earlier one of the same name (T10).
    WidenedCaveat,
    /// A caveat under our own prefix that nothing here enforces, or that cannot be read (T9).
    UnknownCaveat,
    /// Only the node's word says that it was paid, and the service does not take that (C5).
    AttestedOnly,
    /// Every use that was paid for has been delivered.
    UsedUp,
    /// One of its limits, or of a token that it comes from, covers no more (T10).
    CapReached(Cap),
    /// More than 16 limits stand in it.
    TooManyCaps,
    /// As many limited tokens of this payment are counted as can be.
    TooManyTokens,
    /// The Payment challenge is not one of ours, or not for this route.
    UnknownChallenge,
    /// The Payment challenge's time has passed.
    ChallengeExpired,
    /// The prepaid balance is smaller than what the request may cost.
    BalanceTooLow,
    /// No session has this name.
    SessionUnknown,
    /// The session was closed.
    SessionClosed,
    /// What is left of the session is less than a unit.
    SessionTooLow,
    /// What is left of a session could not be sent to this invoice.
    BadReturnInvoice,
    /// The challenge is not of a deposit of this session.
    OtherDeposit,
    /// With another deposit the session would hold more than goes back at once.
    SessionFull,
    /// The action is none of a session, or something of it is missing.
    SessionUnclear,
}

impl Denial {
    /// Whether the bearer never held anything of ours: 401 and no invoice, instead of 402 with one.
    #[must_use]
    pub const fn is_forgery(self) -> bool {
        matches!(self, Self::UnknownKey | Self::BadSignature | Self::ThirdPartyCaveat)
    }
}

impl From<ChargeFault> for Denial {
    fn from(fault: ChargeFault) -> Self {
        match fault {
            // The id is an HMAC of ours, or it is junk like any other wrong signature (C1).
            ChargeFault::UnknownChallenge => Self::BadSignature,
            ChargeFault::Expired => Self::ChallengeExpired,
            ChargeFault::InvalidPreimage => Self::WrongPreimage,
            ChargeFault::InvalidReturnInvoice => Self::BadReturnInvoice,
            _ => Self::UnknownChallenge,
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownKey => "the token names a key that is not ours",
            Self::BadSignature => "the token's signature is not ours",
            Self::ThirdPartyCaveat => "the token has a third-party caveat",
            Self::WrongPreimage => "the preimage does not hash to the payment hash in the token",
            Self::KeyRetired => "the key that signed the token is retired",
            Self::Expired => "the token has expired",
            Self::OtherService => "the token is for another service",
            Self::OtherRoute => "the token is for another route",
            Self::OtherMethod => "the token is for other methods",
            Self::OtherDeployment => "the token is for another deployment",
            Self::OtherBody => "the token is bound to another request body",
            Self::MissingCaveat => "the token lacks a required caveat",
            Self::WidenedCaveat => "a later caveat of the token is wider than an earlier one",
            Self::UnknownCaveat => "the token has a caveat that is not known here",
            Self::AttestedOnly => "the token rests on the word of the node, which the service does not take",
            Self::UsedUp => "the token is used up",
            Self::CapReached(Cap { place, limit }) => {
                let number = place + 1;
                return match limit {
                    Limit::Uses(uses) => write!(f, "the token's caveat {number}, `satstile_uses={uses}`, is used up"),
                    Limit::Budget(Msat(budget)) => {
                        write!(
                            f,
                            "the token's caveat {number}, `satstile_budget_msat={budget}`, does not cover another use"
                        )
                    }
                };
            }
            Self::TooManyCaps => "the token has more than 16 limits on its uses",
            Self::TooManyTokens => {
                "the payment has been split among 10,000 limited tokens: use one that was used before, or one without \
                 limits of its own"
            }
            Self::UnknownChallenge => "the challenge is not one of ours for this resource",
            Self::ChallengeExpired => "the challenge has expired",
            Self::BalanceTooLow => "the prepaid balance does not cover it",
            Self::SessionUnknown => "there is no such session",
            Self::SessionClosed => "the session is closed",
            Self::SessionTooLow => "what is left of the session does not cover it",
            Self::OtherDeposit => "the challenge is not that of a deposit of this session",
            Self::SessionFull => "the session cannot hold another deposit",
            Self::SessionUnclear => "the action is none of a session, or something of it is missing",
            Self::BadReturnInvoice => {
                "the return invoice must have no amount, be of this network, and outlive the session"
            }
        })
    }
}

impl std::error::Error for Denial {}
