//! The cast: a seller of L402 tokens, a phoenixd that pays his invoices, and the program with a folder of its own.

use std::collections::HashMap;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use l402::credential::Credential;
use l402::encoding::to_base64;
use l402::identifier::Identifier;
use l402::token::Token;
use l402::{Keys, Preimage};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use serde_json::json;

use crate::http::{Answer, Request, Server};

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// A master key that is the same in every run, as the operator writes it.
pub fn master_keys(seed: u8) -> String {
    format!("1:{}", to_base64(&(0..32u8).map(|i| i.wrapping_mul(37) ^ seed).collect::<Vec<_>>()))
}

pub fn keys() -> Keys {
    Keys::parse(&master_keys(7), master_keys(9).strip_prefix("1:").unwrap()).unwrap()
}

/// A token of the service `api` for ten minutes, with more caveats after the usual ones.
pub fn mint(preimage: &Preimage, valid_until: u64, more: &[&str]) -> String {
    let mut caveats = vec![
        "services=api:0".to_owned(),
        format!("api_valid_until={valid_until}"),
        "satstile_aud=demo".to_owned(),
        "satstile_methods=GET,HEAD,POST".to_owned(),
    ];
    caveats.extend(more.iter().map(|&c| c.to_owned()));
    let identifier = Identifier::new(preimage.payment_hash(), 1, random());
    Token::mint(&keys(), identifier, &caveats).unwrap().to_wire()
}

/// An invoice, as a node on regtest makes it.
#[derive(Clone, Copy)]
pub struct Bill {
    pub msat: Option<u64>,
    pub currency: Currency2,
    pub made_at: u64,
}

/// `Currency` is not `Copy`.
#[derive(Clone, Copy)]
pub enum Currency2 {
    Mainnet,
    Regtest,
}

impl Bill {
    pub fn usual() -> Self {
        Self { msat: Some(10_000), currency: Currency2::Regtest, made_at: now() }
    }

    pub fn write(self, preimage: &Preimage) -> String {
        let key = SecretKey::from_slice(&[0x2a; 32]).unwrap();
        let currency = match self.currency {
            Currency2::Mainnet => Currency::Bitcoin,
            Currency2::Regtest => Currency::Regtest,
        };
        let builder = InvoiceBuilder::new(currency)
            .description("An answer".to_owned())
            .payment_hash(sha256::Hash::from_byte_array(preimage.payment_hash().0))
            .payment_secret(PaymentSecret([0x33; 32]))
            .duration_since_epoch(Duration::from_secs(self.made_at))
            .expiry_time(Duration::from_secs(600))
            .min_final_cltv_expiry_delta(18);
        let builder = match self.msat {
            Some(msat) => builder.amount_milli_satoshis(msat),
            None => builder,
        };
        builder.build_signed(|hash| Secp256k1::new().sign_ecdsa_recoverable(hash, &key)).unwrap().to_string()
    }
}

/// All preimages, by the invoice: what the Lightning network would know.
pub type Network = Arc<Mutex<HashMap<String, Preimage>>>;

/// How a seller behaves. `Good` is the one that the others are measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    Good,
    /// Takes no token, and asks for money again.
    Loops,
    /// Takes the money, and is busy then.
    Busy,
    /// Takes the money, and has nothing there.
    Empty,
    /// Its body breaks off.
    CutsOff,
    /// The body names another price than the invoice.
    OtherPrice,
    Expired,
    Mainnet,
    Amountless,
    /// Anything in `Authorization` opens.
    OpensToJunk,
    /// Junk gets a fresh invoice, HEAD and OPTIONS too.
    Spends,
    /// The same invoice for all.
    Repeats,
    /// The challenge may be cached.
    Cached,
    /// The token belongs to another invoice.
    Unbound,
    /// No quotes around the values.
    Unquoted,
    /// Blanks, and no commas.
    Blanks,
    /// The challenge is in the JSON body alone.
    InBody,
    NotSold,
}

/// A seller, whose habit can change while he sells.
pub struct Seller {
    pub server: Server,
    pub network: Network,
    habit: Arc<AtomicU8>,
}

const HABITS: [Habit; 18] = [
    Habit::Good,
    Habit::Loops,
    Habit::Busy,
    Habit::Empty,
    Habit::CutsOff,
    Habit::OtherPrice,
    Habit::Expired,
    Habit::Mainnet,
    Habit::Amountless,
    Habit::OpensToJunk,
    Habit::Spends,
    Habit::Repeats,
    Habit::Cached,
    Habit::Unbound,
    Habit::Unquoted,
    Habit::Blanks,
    Habit::InBody,
    Habit::NotSold,
];

impl Seller {
    pub fn of(habit: Habit) -> Self {
        let network = Network::default();
        let at = Arc::new(AtomicU8::new(0));
        let (known, habit_now) = (Arc::clone(&network), Arc::clone(&at));
        let server =
            Server::start(move |request| sell(request, HABITS[usize::from(habit_now.load(Ordering::SeqCst))], &known));
        let seller = Self { server, network, habit: at };
        seller.becomes(habit);
        seller
    }

    pub fn becomes(&self, habit: Habit) {
        let at = HABITS.iter().position(|known| *known == habit).unwrap();
        self.habit.store(u8::try_from(at).unwrap(), Ordering::SeqCst);
    }

    pub fn url(&self) -> String {
        format!("{}/api/x", self.server.url)
    }
}

fn sell(request: &Request, habit: Habit, network: &Network) -> Answer {
    let authorization = request.header("authorization");
    let goods = || Answer::new(200, &format!("goods for {}{}", request.method, request.body));
    if habit == Habit::NotSold {
        return goods();
    }
    if habit == Habit::OpensToJunk && !authorization.is_empty() {
        return goods();
    }
    let is_preflight = request.method == "OPTIONS";
    if is_preflight && habit != Habit::Spends {
        return Answer::new(204, "").with("access-control-allow-headers", "Authorization");
    }
    if !authorization.is_empty() {
        match Credential::parse(authorization) {
            Ok(Some(Credential::L402(l402))) if l402.clone().verify(&keys()).is_ok() => match habit {
                Habit::Loops => {}
                Habit::Busy => return Answer::new(503, "busy"),
                Habit::Empty => return Answer::new(404, "no such article"),
                Habit::CutsOff => return Answer { cut_off: true, ..goods() },
                _ => return goods(),
            },
            Ok(Some(_)) => {}
            _ if habit == Habit::Spends => {}
            _ => return Answer::new(400, "unreadable"),
        }
    }
    if request.method == "HEAD" && habit != Habit::Spends {
        return Answer::new(402, "").with("cache-control", "no-store");
    }
    challenge(habit, network)
}

fn challenge(habit: Habit, network: &Network) -> Answer {
    let preimage = Preimage::new(if habit == Habit::Repeats { [5; 32] } else { random() });
    let bill = match habit {
        Habit::Expired => Bill { made_at: now() - 601, ..Bill::usual() },
        Habit::Mainnet => Bill { currency: Currency2::Mainnet, ..Bill::usual() },
        Habit::Amountless => Bill { msat: None, ..Bill::usual() },
        _ => Bill::usual(),
    };
    let invoice = bill.write(&preimage);
    let token = match habit {
        Habit::Unbound => mint(&Preimage::new([6; 32]), now() + 600, &[]),
        _ => mint(&preimage, now() + 600, &[]),
    };
    network.lock().unwrap().insert(invoice.clone(), preimage);
    let amount_msat = if habit == Habit::OtherPrice { 1_000 } else { 10_000 };
    let line = match habit {
        Habit::Unquoted => format!("L402 macaroon={token}, invoice={invoice}"),
        Habit::Blanks => format!(r#"L402 macaroon="{token}" invoice="{invoice}" version="0""#),
        _ => format!(r#"L402 macaroon="{token}", invoice="{invoice}", version="0", token="{token}""#),
    };
    let mut body = json!({"amount_msat": amount_msat, "invoice": invoice});
    let answer = if habit == Habit::InBody {
        body["macaroon"] = json!(token);
        Answer::new(402, &body.to_string())
    } else {
        Answer::new(402, &body.to_string()).with("www-authenticate", line)
    };
    answer
        .with("content-type", "application/problem+json")
        .with("cache-control", if habit == Habit::Cached { "public, max-age=60" } else { "no-store" })
        .with("access-control-allow-origin", "*")
        .with("access-control-expose-headers", "WWW-Authenticate")
}

/// How a wallet behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purse {
    Pays,
    Fails,
    /// Breaks while it pays; whether it paid, nobody knows. A look later says that it did.
    Breaks,
    /// The same, and it never says.
    BreaksForGood,
    Lies,
    Locked,
}

/// A phoenixd with the network's knowledge.
pub fn wallet(purse: Purse, network: &Network) -> Server {
    let network = Arc::clone(network);
    Server::start(move |request| {
        if request.target == "/" {
            return Answer::new(404, "");
        }
        let network = network.lock().unwrap();
        if let Some(hash) = request.target.strip_prefix("/payments/outgoingbyhash/") {
            let found = network.values().find(|preimage| preimage.payment_hash().to_string() == hash);
            return match found.filter(|_| purse == Purse::Breaks) {
                Some(preimage) => {
                    Answer::new(200, &json!({"isPaid": true, "preimage": preimage.expose_hex(), "fees": 0}).to_string())
                }
                None => Answer::new(404, "Not found"),
            };
        }
        let invoice = request.body.strip_prefix("invoice=").unwrap_or_default();
        let preimage = network.get(invoice).cloned().unwrap_or(Preimage::new([0; 32]));
        let paid =
            |preimage: &Preimage| json!({"routingFeeSat": 1, "paymentPreimage": preimage.expose_hex()}).to_string();
        match purse {
            Purse::Pays => Answer::new(200, &paid(&preimage)),
            Purse::Fails => Answer::new(200, r#"{"reason":"no route to the seller"}"#),
            Purse::Breaks | Purse::BreaksForGood => Answer::new(500, "oops"),
            Purse::Lies => Answer::new(200, &paid(&Preimage::new([1; 32]))),
            Purse::Locked => Answer::new(401, "Invalid authentication"),
        }
    })
}

/// The program, with a cache folder of its own.
pub struct Program {
    folder: tempfile::TempDir,
}

/// How it ended, and what it said.
#[derive(Debug)]
pub struct Ending {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Program {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn run(&self, args: &[&str]) -> Ending {
        self.run_with(args, &[])
    }

    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ending {
        let mut command = Command::new(env!("CARGO_BIN_EXE_satstile"));
        command.args(args).env_clear().env("XDG_CACHE_HOME", self.folder.path());
        command.envs(env.iter().copied()).current_dir(self.folder.path());
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ending { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }

    /// `pay URL` on regtest with this wallet and more arguments.
    pub fn pay(&self, url: &str, wallet: &Server, more: &[&str]) -> Ending {
        let purse = format!("type=phoenixd;server={};password=hunter2", wallet.url);
        let args = [&["pay", url, "--network", "regtest", "--wallet", &purse], more].concat();
        self.run(&args)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    pub fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join(name)).ok()
    }
}
