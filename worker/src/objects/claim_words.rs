//! What is asked of the deliveries of one payment and what is answered, on the wire to its object. The rules are in
//! `claims.rs`; what was kept under a key is in `replay.rs`.

use l402::{Msat, PaymentHash, caps as l402_caps};
use satstile_ledger::{BALANCE_MAX, Cap, Id, caps};
use worker::Result;

use super::words::{Word, Words, words};

/// `claim`: one delivery is about to happen. `left`: could it?
#[derive(Debug)]
pub struct Claim {
    /// Names the attempt.
    pub id: String,
    /// What it takes.
    pub count: Count,
    /// How long the attempt may take before it counts as failed, in seconds.
    pub lease_s: u64,
    /// When the grant ends, Unix seconds.
    pub until: u64,
    /// The `Idempotency-Key` of the request.
    pub keyed: Option<Keyed>,
}

/// What a delivery takes.
#[derive(Debug, Default)]
pub struct Count {
    /// By a Payment credential, which delivers once whatever the grant says.
    pub once: bool,
    /// How many deliveries the grant covers by both schemes together; `None` for any number.
    pub limit: Option<u64>,
    /// The price of one, in msat.
    pub amount: u64,
    /// The caps of the tokens.
    pub caps: Caps,
}

/// Caps that nothing was taken from yet, chain after chain; one without a parent begins a chain.
#[derive(Debug, Default)]
pub struct Caps(Vec<Cap>);

/// The reply to `claim` and `left`.
#[derive(Debug)]
pub enum Claimed {
    /// Deliver.
    Granted {
        /// And keep what was delivered.
        keeps: bool,
    },
    /// All that is left is being delivered at this moment, or this very request is.
    InFlight,
    /// All of it was delivered; and through which cap, counted from 0 through all chains.
    UsedUp(Option<u32>),
    /// The payment has been split among as many limited tokens as are counted.
    Full,
    /// Another request has this key.
    KeyReused,
    /// The same request was answered before: this, in base64.
    Answered(String),
}

/// `conclude`: the attempt has ended.
#[derive(Debug)]
pub struct Conclude {
    /// Names the attempt.
    pub id: String,
    /// Whether the client got an answer.
    pub delivered: bool,
    /// What the client got, in base64, where it is to be kept.
    pub answer: Option<String>,
}

/// The reply to `conclude`.
#[derive(Debug)]
pub struct Concluded {
    /// Whether the answer was kept.
    pub keeps: bool,
}

words!(Claim { id, count, lease_s, until, keyed });
words!(Conclude { id, delivered, answer });
words!(Concluded { keeps });

impl Word for Count {
    fn say(&self) -> String {
        [Word::say(&self.once), self.limit.say(), self.amount.say(), self.caps.say()].join(" ")
    }
    fn hear(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, ' ');
        Some(Self {
            once: Word::hear(words.next()?)?,
            limit: Word::hear(words.next()?)?,
            amount: Word::hear(words.next()?)?,
            caps: Word::hear(words.next()?)?,
        })
    }
}

impl Word for Caps {
    fn say(&self) -> String {
        let one = |cap: &Cap| {
            let budget = cap.budget.map(|budget| budget.0);
            format!("{}/{}/{}/{}", hex::encode(cap.id.0), text(cap.parent), budget.say(), cap.uses.say())
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }
    fn hear(text: &str) -> Option<Self> {
        let one = |text: &str| {
            let mut parts = text.split('/');
            let id = id(parts.next()?)?;
            let parent =
                Some(parts.next()?).filter(|parent| !parent.is_empty()).map(|parent| self::id(parent).ok_or(()));
            let parent = parent.transpose().ok()?;
            let budget: Option<u64> = Word::hear(parts.next()?)?;
            Some(Cap::new(id, parent, budget.map(Msat), Word::hear(parts.next()?)?))
        };
        text.split(' ').filter(|cap| !cap.is_empty()).map(one).collect::<Option<_>>().map(Self)
    }
}

impl Words for Claimed {
    fn say(&self) -> String {
        match self {
            Self::Granted { keeps } => format!("granted {}", Word::say(keeps)),
            Self::InFlight => "in-flight ".to_owned(),
            Self::UsedUp(link) => format!("used-up {}", link.say()),
            Self::Full => "full ".to_owned(),
            Self::KeyReused => "key-reused ".to_owned(),
            Self::Answered(answer) => format!("answered {answer}"),
        }
    }
    fn hear(text: &str) -> Result<Self> {
        let said = text.split_once(' ').and_then(|(word, rest)| {
            Some(match word {
                "granted" => Self::Granted { keeps: Word::hear(rest)? },
                "in-flight" if rest.is_empty() => Self::InFlight,
                "used-up" => Self::UsedUp(Word::hear(rest)?),
                "full" if rest.is_empty() => Self::Full,
                "key-reused" if rest.is_empty() => Self::KeyReused,
                "answered" => Self::Answered(rest.to_owned()),
                _ => return None,
            })
        });
        said.ok_or_else(|| "a word cannot be read".into())
    }
}

impl Caps {
    /// Names the caps of each token by the caveats from its root to them.
    pub fn of(root: &PaymentHash, chains: &[l402_caps::Chain]) -> Self {
        let mut all = Vec::new();
        for chain in chains {
            let (mut link, mut parent, mut caps) = (None, None, chain.caps.iter().peekable());
            for (place, caveat) in chain.caveats.iter().enumerate() {
                let id = caps::link(root, link, caveat);
                link = Some(id);
                if let Some(cap) = caps.next_if(|cap| cap.place == place) {
                    // What is more than can be counted exactly is as good as none, and is counted all the same (M15).
                    let (budget, uses) = match cap.limit {
                        l402_caps::Limit::Budget(budget) => (budget.0.min(BALANCE_MAX.unsigned_abs()), None),
                        l402_caps::Limit::Uses(uses) => {
                            (BALANCE_MAX.unsigned_abs(), Some(u32::try_from(uses).unwrap_or(u32::MAX)))
                        }
                    };
                    all.push(Cap::new(id, parent, Some(Msat(budget)), uses));
                    parent = Some(id);
                }
            }
        }
        Self(all)
    }

    /// Chain after chain.
    pub(super) fn chains(&self) -> impl Iterator<Item = &[Cap]> {
        self.0.chunk_by(|_, next| next.parent.is_some())
    }
}

/// The `Idempotency-Key` of a request, and what is asked under it.
#[derive(Clone, Copy, Debug)]
pub struct Keyed {
    /// The credential or the account, and the key.
    pub id: Id,
    /// What is asked: method, target and body; of an order to an account what it means.
    pub request: Id,
}

impl Word for Keyed {
    fn say(&self) -> String {
        format!("{} {}", hex::encode(self.id.0), hex::encode(self.request.0))
    }
    fn hear(text: &str) -> Option<Self> {
        let (name, request) = text.split_once(' ')?;
        Some(Self { id: id(name)?, request: id(request)? })
    }
}

/// An id that may be none, in hex.
pub(super) fn text(id: Option<Id>) -> String {
    id.map_or_else(String::new, |id| hex::encode(id.0))
}

/// Its reverse, of one that is there.
pub(super) fn id(text: &str) -> Option<Id> {
    hex::decode(text).ok()?.try_into().ok().map(Id)
}
