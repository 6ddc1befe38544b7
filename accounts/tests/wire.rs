//! The bytes of every message, and what is refused instead of misread.

use l402::{Msat, PaymentHash, Preimage, UnixTime};
use minicbor::bytes::ByteVec;
use proptest::collection::vec;
use proptest::prelude::*;
use satstile_accounts::command::{
    Acked, Came, Claim, ClaimSecret, CloseSession, Collect, Cost, Credit, End, Hash, Hold, Keyed, Meter, NamedTopUp,
    NodeSaid, OpenSession, OpenTopUp, PayAnswer, PayOut, Progress, Promise, Receive, ReturnInvoice, Routing,
    SecretDigest, Secretless, SeePayout, SeeRefund, Send, SessionDeposit, TokenChange, TopUpSession, UseId,
    WaitDeposit,
};
use satstile_accounts::reply::{
    BackStands, Claimed, ClaimedToken, CreditOrder, Errand, Idle, Left, LetGo, LookUp, Metered, PayOrder, PayoutSeen,
    Proof, RefundSeen, RefundStands, SessionSeen, Stands, TopUpSeen, TransferSeen,
};
use satstile_accounts::wire::{command_from_bytes, command_to_bytes, reply_from_bytes, reply_to_bytes};
use satstile_accounts::{Command, Refusal, Reply, TokenDigest};
use satstile_ledger::{BookId, Id};

const ID: Id = Id([0x11; 32]);
const TOKEN: TokenDigest = TokenDigest([0x22; 32]);
const CHANGE: TokenChange = TokenChange { by: TOKEN, about: TokenDigest([0x33; 32]) };
const HOLD: Hold = Hold { token: TOKEN, id: ID, ceiling: Msat(1_000_000_000_000), estimate: Msat(0), ttl_s: 86_400 };

const HASH: PaymentHash = PaymentHash([0x11; 32]);
const NAMED: NamedTopUp = NamedTopUp { payment_hash: HASH };

fn open(secret: Option<SecretDigest>) -> OpenTopUp {
    OpenTopUp {
        book: BookId([0x33; 32]),
        account: "bob".into(),
        payment_hash: HASH,
        asked: Msat(100),
        secret,
        secretless: Secretless::Spend,
        reference: "r".into(),
        ends_at: UnixTime(5),
        is_refill: false,
    }
}

const KEYED: Keyed = Keyed { key: ID, order: Id([0x33; 32]) };
const ACKED: Acked = Acked { id: ID, by: BookId([0x33; 32]), accepted: true };
const RECEIVE: Receive = Receive {
    id: ID,
    from: BookId([0x22; 32]),
    to: BookId([0x33; 32]),
    amount: Msat(7),
    invoice: None,
    is_canceled: false,
};

const DEPOSIT: SessionDeposit = SessionDeposit { session: HASH, payment_hash: HASH };

fn open_session(came: Option<Came>) -> Command {
    let back = ReturnInvoice { payment_hash: HASH, bolt11: "b".into() };
    let preimage = Preimage::new([0x11; 32]);
    Command::OpenSession(OpenSession { payment_hash: HASH, preimage, asked: Msat(7), came, back, idle_s: 42 })
}

const fn meter(by: Option<Hash>) -> Meter {
    let begin = Some(UseId(Id([0x33; 32])));
    Meter { session: HASH, by, end: None, used: 4, begin, want: 16, unit: Msat(2), ttl_s: 60 }
}

fn pay_out(keyed: Option<Keyed>) -> Command {
    let bolt11 = "b".into();
    Command::PayOut(PayOut {
        by: TOKEN,
        id: ID,
        payment_hash: HASH,
        amount: Msat(7),
        fee_limit: Msat(0),
        bolt11,
        keyed,
    })
}

fn said(said: NodeSaid) -> Command {
    Command::PayAnswer(PayAnswer { id: ID, said })
}

fn send(invoice: Option<Hash>) -> Command {
    let (to, account) = (BookId([0x33; 32]), "bob".into());
    Command::Send(Send { by: TOKEN, id: ID, to, account, amount: Msat(7), invoice, keyed: None })
}

fn pay_order(is_send: bool) -> PayOrder {
    PayOrder { id: ID, payment_hash: HASH, amount: Msat(7), fee_limit: Msat(0), bolt11: "b".into(), is_send }
}

fn payout(stands: Stands, order: Option<PayOrder>, is_refund: bool) -> Reply {
    Reply::Payout(PayoutSeen {
        stands,
        payment_hash: HASH,
        amount: Msat(7),
        fee_limit: Msat(0),
        available: Msat(5),
        order,
        stays_here: false,
        is_refund,
        is_forgotten: !is_refund,
    })
}

fn carried() -> CreditOrder {
    CreditOrder { receive: RECEIVE, account: "bob".into(), sends: 1 }
}

fn claim(secret: Option<ClaimSecret>, sealed: Option<ByteVec>) -> Command {
    let token = TokenDigest([0x33; 32]);
    Command::Claim(Claim { preimage: Preimage::new([0x11; 32]), secret, bearer: None, token, sealed })
}

/// Bytes as hex, where `I`, `T` and `U` stand for 32 bytes 11, 22 and 33.
fn golden(text: &str) -> Vec<u8> {
    let text = text.replace(' ', "");
    let text = text.replace('I', &format!("5820{}", "11".repeat(32))).replace('T', &format!("5820{}", "22".repeat(32)));
    hex::decode(text.replace('U', &format!("5820{}", "33".repeat(32)))).unwrap()
}

fn end(cost: Cost, has_begun: bool) -> Command {
    Command::End(End { id: ID, cost, has_begun })
}

fn claimed(token: ClaimedToken) -> Reply {
    Reply::Claimed(Claimed { available: Msat(5), credited: Msat(4), spend_only: Msat(0), token })
}

#[test]
fn the_bytes_of_every_command_are_these() {
    for (command, bytes) in [
        (Command::Hold(HOLD), "8201 820181a5 00T 01I 021b000000e8d4a51000 0300 041a00015180"),
        (Command::Covers(HOLD), "8201 820281a5 00T 01I 021b000000e8d4a51000 0300 041a00015180"),
        (Command::Progress(Progress { id: ID, seen: Msat(24) }), "8201 820381a2 00I 011818"),
        (end(Cost::Known(Msat(7)), true), "8201 820481a3 00I 0182018107 02f5"),
        (end(Cost::Unknown, false), "8201 820481a3 00I 01820280 02f4"),
        (Command::AddToken(CHANGE), "8201 820581a2 00T 01U"),
        (Command::RotateToken(CHANGE), "8201 820681a2 00T 01U"),
        (Command::RevokeToken(CHANGE), "8201 820781a2 00T 01U"),
        (Command::Alarm, "8201 820880"),
        (
            Command::OpenTopUp(open(Some(SecretDigest(Id([0x22; 32]))))),
            "8201 820981a9 00U 0163626f62 02I 031864 04T 0502 066172 0705 08f4",
        ),
        (Command::OpenTopUp(open(None)), "8201 820981a8 00U 0163626f62 02I 031864 0502 066172 0705 08f4"),
        (Command::SeeTopUp(NAMED), "8201 820a81a1 00I"),
        (
            Command::Credit(Credit { payment_hash: HASH, paid: Msat(7), node_fee: Msat(0) }),
            "8201 820b81a3 00I 0107 0200",
        ),
        (claim(Some(ClaimSecret([0x22; 32])), Some(vec![0xaa].into())), "8201 820c81a4 00I 01T 03U 0441aa"),
        (claim(None, None), "8201 820c81a2 00I 03U"),
        (Command::Forget(NAMED), "8201 820d81a1 00I"),
        (Command::LetGo(NAMED), "8201 820e81a1 00I"),
        (pay_out(None), "8201 820f81a6 00T 01I 02I 0307 0400 056162"),
        (pay_out(Some(KEYED)), "8201 820f81a7 00T 01I 02I 0307 0400 056162 06a200I01U"),
        (
            said(NodeSaid::Succeeded { preimage: Preimage::new([0x11; 32]), fee: Msat(2) }),
            "8201 821081a2 00I 01 8201a200I0102",
        ),
        (said(NodeSaid::Failed), "8201 821081a2 00I 01 820280"),
        (said(NodeSaid::Unknown), "8201 821081a2 00I 01 820380"),
        (said(NodeSaid::NotFound { store_since: UnixTime(5) }), "8201 821081a2 00I 01 8204a10005"),
        (Command::SeePayout(SeePayout { by: TOKEN, id: ID, keyed: None }), "8201 821181a2 00T 01I"),
        (send(None), "8201 821281a5 00T 01I 02U 0363626f62 0407"),
        (send(Some(Hash(HASH))), "8201 821281a6 00T 01I 02U 0363626f62 0407 05I"),
        (Command::Receive(RECEIVE), "8201 821381a5 00I 01T 02U 0307 05f4"),
        (Command::Acknowledge(ACKED), "8201 821481a3 00I 01U 02f5"),
        (
            Command::Promise(Promise {
                payment_hash: HASH,
                paid: Msat(7),
                node_fee: Msat(0),
                id: Id([0x33; 32]),
                amount: Msat(7),
                ttl_s: 42,
            }),
            "8201 821581a6 00I 0107 0200 03U 0407 05182a",
        ),
        (Command::SeeRefund(SeeRefund { id: ID }), "8201 821681a1 00I"),
        (open_session(None), "8201 82181881a5 00I 01I 0207 04a200I016162 05182a"),
        (
            open_session(Some(Came { paid: Msat(7), node_fee: Msat(0) })),
            "8201 82181881a6 00I 01I 0207 03a200070100 04a200I016162 05182a",
        ),
        (
            Command::TopUpSession(TopUpSession {
                session: HASH,
                payment_hash: HASH,
                asked: Msat(7),
                came: None,
                limit: Msat(7),
            }),
            "8201 82181981a4 00I 01I 0207 0407",
        ),
        (Command::Meter(meter(None)), "8201 82181a81a6 00I 0304 04U 0510 0602 07183c"),
        (Command::Meter(meter(Some(Hash(HASH)))), "8201 82181a81a7 00I 01I 0304 04U 0510 0602 07183c"),
        (
            Command::CloseSession(CloseSession {
                session: HASH,
                by: None,
                is_alarm: true,
                routing: Routing { ppm: 10, min: Msat(0) },
                again: None,
            }),
            "8201 82181b81a3 00I 02f5 03a2000a0100",
        ),
        (Command::HasDeposit(DEPOSIT), "8201 82181c81a2 00I 01I"),
        (Command::LacksDeposit(DEPOSIT), "8201 82181d81a2 00I 01I"),
        (
            Command::WaitDeposit(WaitDeposit { payment_hash: HASH, asked: Msat(7), ends_at: UnixTime(5) }),
            "8201 82181e81a3 00I 0107 0205",
        ),
        (Command::DepositGone(NAMED), "8201 82181f81a1 00I"),
        (Command::PutOff, "8201 82182080"),
        (
            Command::Collect(Collect {
                id: ID,
                payment_hash: HASH,
                amount: Msat(7),
                fee_limit: Msat(0),
                bolt11: "b".into(),
            }),
            "8201 821781a5 00I 01I 0207 0300 046162",
        ),
    ] {
        assert_eq!(hex::encode(command_to_bytes(&command)), hex::encode(golden(bytes)), "{command:?}");
        assert_eq!(command_from_bytes(&golden(bytes)), Ok(command));
    }
}

#[test]
fn the_bytes_of_replies_are_these() {
    for (reply, bytes) in [
        (Reply::Done, "8201 82186480"),
        (Reply::Left(Left { available: Msat(5) }), "8201 82186581a10005"),
        (Reply::Refused(Refusal::UnknownToken), "8201 82186681 820180"),
        (Reply::Refused(Refusal::InsufficientFunds { available: Msat(5) }), "8201 82186681 8216a10005"),
        (Reply::Refused(Refusal::CapReached { link: 3 }), "8201 82186681 821820a10003"),
        (Reply::Refused(Refusal::Breach { invariant: 12 }), "8201 82186681 821833a1000c"),
        (
            Reply::TopUp(TopUpSeen { asked: Msat(7), is_credited: true, reference: "r".into(), is_claimed: false }),
            "8201 82186781a4 0007 01f5 026172 03f4",
        ),
        (claimed(ClaimedToken::Kept), "8201 82186881a4 0005 0104 0200 03820180"),
        (claimed(ClaimedToken::New), "8201 82186881a4 0005 0104 0200 03820280"),
        (claimed(ClaimedToken::Before(vec![0xaa].into())), "8201 82186881a4 0005 0104 0200 0382038141aa"),
        (
            Reply::Errands(vec![
                Errand::LookUp(LookUp { payment_hash: HASH, asked: Msat(7), reference: "r".into(), is_deposit: false }),
                Errand::LetGo(LetGo { payment_hash: HASH, account: "bob".into() }),
            ]),
            "8201 8218698182 820181a4 00I 0107 026172 03f4 820281a2 00I 0163626f62",
        ),
        (
            Reply::Errands(vec![Errand::Pay(pay_order(false)), Errand::Carry(carried())]),
            "8201 8218698182 820381a6 00I 01I 0207 0300 046162 05f4 820481a3 00a500I01T02U030705f4 0163626f62 0201",
        ),
        (Reply::Errands(vec![Errand::Close(Idle { session: HASH })]), "8201 8218698181 820581a100I"),
        (Reply::Metered(Metered { units: 3, spent: Msat(4), available: Msat(5) }), "8201 82186e81a3 0003 0104 0205"),
        (
            Reply::Session(SessionSeen { refund_sats: 5, stands: BackStands::Skipped, order: None }),
            "8201 82186f81a2 0005 0104",
        ),
        (
            Reply::Session(SessionSeen { refund_sats: 5, stands: BackStands::Pending, order: Some(pay_order(true)) }),
            "8201 82186f81a3 0005 0101 02a600I01I0207030004616205f5",
        ),
        (payout(Stands::Pending, None, false), "8201 82186a81a8 00820180 01I 0207 0300 0405 06f4 07f4 08f5"),
        (
            payout(
                Stands::Succeeded { fee: Msat(2), preimage: Some(Proof(Preimage::new([0x11; 32]))) },
                Some(pay_order(true)),
                true,
            ),
            "8201 82186a81a9 008202a2000201I 01I 0207 0300 0405 05a600I01I02070300046162 05f5 06f4 07f5 08f4",
        ),
        (
            Reply::Transfer(TransferSeen { stands: Stands::Failed, available: Msat(5), order: None }),
            "8201 82186b81a2 00820380 0105",
        ),
        (
            Reply::Transfer(TransferSeen {
                stands: Stands::Succeeded { fee: Msat(0), preimage: None },
                available: Msat(5),
                order: Some(carried()),
            }),
            "8201 82186b81a3 008202a10000 0105 02a300a500I01T02U030705f40163626f620201",
        ),
        (Reply::Acked(ACKED), "8201 82186c81a3 00I 01U 02f5"),
        (
            Reply::Refund(RefundSeen {
                amount: Msat(7),
                stands: RefundStands::Claiming,
                expires_at: UnixTime(5),
                payout: Id([0x33; 32]),
            }),
            "8201 82186d81a4 0007 0102 0205 03U",
        ),
    ] {
        assert_eq!(hex::encode(reply_to_bytes(&reply)), hex::encode(golden(bytes)), "{reply:?}");
        assert_eq!(reply_from_bytes(&golden(bytes)), Ok(reply));
    }
}

/// The number of a refusal is its own for ever: 1 to 10 are ours, from 20 on those of the ledger, in its order.
#[test]
fn every_number_is_one_refusal_and_is_written_back() {
    let mut known = Vec::new();
    for number in 0_u8..=120 {
        for fields in ["80", "a10005"] {
            let mut bytes = vec![0x82, 1, 0x82, 0x18, 102, 0x81, 0x82, 0x18, number];
            if number < 24 {
                bytes.remove(7);
            }
            bytes.extend(hex::decode(fields).unwrap());
            // A refusal that tells nothing more is read with a later build's field, too, and written without.
            let reply = reply_from_bytes(&bytes);
            if matches!(reply, Ok(reply @ Reply::Refused(_)) if reply_to_bytes(&reply) == bytes) {
                known.push(number);
            }
        }
    }
    assert_eq!(known, (1..=10).chain(20..=51).collect::<Vec<u8>>());
}

/// Caller and object can be different builds.
#[test]
fn another_wire_number_and_an_unknown_variant_are_refused_by_name() {
    for other in ["8200 820880", "8202 820880", "82182a 820880", "8202 f6"] {
        assert_eq!(command_from_bytes(&golden(other)), Err(Refusal::OtherBuild), "{other}");
        assert_eq!(reply_from_bytes(&golden(other)), Err(Refusal::OtherBuild), "{other}");
    }
    for unknown in ["8201 82186380", "8201 82186680", "8201 82186480", "8201 820481a3 00I 01820980 02f5"] {
        assert_eq!(command_from_bytes(&golden(unknown)), Err(Refusal::UnknownCommand), "{unknown}");
    }
    assert_eq!(reply_from_bytes(&golden("8201 820880")), Err(Refusal::UnknownCommand), "a command is no reply");
}

/// Information is a new optional field: an older build does without it.
#[test]
fn a_field_that_is_not_known_yet_is_passed_over() {
    let with_more = golden("8201 820381a3 00I 011818 0963616263");
    assert_eq!(command_from_bytes(&with_more), Ok(Command::Progress(Progress { id: ID, seen: Msat(24) })));
}

#[test]
fn what_is_not_whole_or_says_two_things_is_no_command() {
    for (bytes, why) in [
        ("", "nothing"),
        ("8101", "no message"),
        ("8301 820880 00", "three parts"),
        ("9f01 820880 ff", "no length"),
        ("8201 820880 00", "bytes left over"),
        ("8201 820381a1 00I", "a field is missing"),
        ("8201 820381a2 0041aa 011818", "an id of one byte"),
        ("8201 820381a2 00I 0120", "a negative amount"),
        ("8201 820381a2 00I 01f94900", "a fraction"),
        ("8201 820381a2 00I 01623234", "an amount as a text"),
        ("8201 820481a3 00I 01820280 0201", "a number that is no bool"),
        ("8201 820381a3 00I 011818 011819", "an amount twice"),
        ("8201 820381a2 011818 00I", "fields out of order"),
        ("8201 820381bf 00I 011818 ff", "a map without a length"),
        ("8201 820381a3 00I 011818 098181818181818181818100", "too deep"),
    ] {
        assert_eq!(command_from_bytes(&golden(bytes)), Err(Refusal::Unreadable), "{why}");
    }
    let whole = command_to_bytes(&Command::Hold(HOLD));
    for length in 0..whole.len() {
        assert_eq!(command_from_bytes(&whole[..length]), Err(Refusal::Unreadable), "cut after {length} bytes");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_and_what_is_read_says_the_same_when_written(bytes in vec(any::<u8>(), 0..200), at in 0_usize..100, to in any::<u8>()) {
        let mut near = command_to_bytes(&Command::Hold(HOLD));
        if let Some(byte) = near.get_mut(at) {
            *byte = to;
        }
        for bytes in [&bytes, &near] {
            if let Ok(command) = command_from_bytes(bytes) {
                prop_assert_eq!(command_from_bytes(&command_to_bytes(&command)), Ok(command));
            }
            if let Ok(reply) = reply_from_bytes(bytes) {
                prop_assert_eq!(reply_from_bytes(&reply_to_bytes(&reply)), Ok(reply));
            }
        }
    }
}
