//! Sessions: a deposit that is used up by the unit, and what is left goes back (draft-lightning-session-00, T66, T83, T94).

use std::time::Duration;

use l402::Preimage;
use satstile_tests::{Stack, http};
use serde_json::{Value, json};

use crate::common::bank::{ALARM, ok, sound};
use crate::common::deposits::{
    Bearer, DEPOSIT, Deposit, UNIT, book, desk, desk_before, left, receipt, refused, request_of,
};
use crate::common::server::{self, Server};
use crate::common::stream::send_get;
use crate::common::wallet::{is_paid, open_invoice, received};
use crate::common::{API, AUDIT, at_once, eventually, get_with, plenty, seen, within};

#[test]
fn a_deposit_is_used_by_the_request_and_the_rest_goes_back() {
    let stack = desk(json!({}));
    let bearer = Bearer::paying(&stack, API, "back");
    let asked = request_of(&bearer.deposit.challenge);
    assert_eq!((&asked["amount"], &asked["depositAmount"]), (&json!("10"), &json!("200")), "{asked}");
    assert_eq!((&asked["idleTimeout"], &asked["currency"]), (&json!("300"), &json!("sat")));
    let opened = get_with(&stack, API, &bearer.open());
    assert_eq!(opened.status, 200, "{}", opened.text());
    assert_eq!((&receipt(&opened)["reference"], &receipt(&opened)["status"]), (&json!(bearer.id()), &json!("success")));
    for _ in 0..3 {
        assert_eq!(get_with(&stack, API, &bearer.bearer()).status, 200);
    }
    assert_eq!(seen(&stack).len(), 4);
    assert_eq!(left(&stack, bearer.id()), DEPOSIT - 4 * UNIT);
    let closed = get_with(&stack, API, &bearer.close());
    let expected = json!({"status": "closed", "refundSats": 160, "refundStatus": "succeeded"});
    assert_eq!(ok(closed), expected);
    assert_eq!(received(stack.node(), &bearer.back.1), 160);
    // Asked again, it is told again, and nothing is paid twice.
    let again = get_with(&stack, API, &bearer.close());
    assert_eq!((&receipt(&again)["refundSats"], &receipt(&again)["refundStatus"]), (&json!(160), &json!("succeeded")));
    assert_eq!(received(stack.node(), &bearer.back.1), 160);
    refused(&get_with(&stack, API, &bearer.bearer()), "session-closed");
    assert_eq!(seen(&stack).len(), 4, "the origin heard of nothing else");
    assert_eq!(book(&stack, bearer.id()).0, 0);
}

/// T83: a deposit opens one session, once, however often and however fast it is shown.
#[test]
fn ten_openings_of_one_deposit_are_one_session() {
    let stack = desk(json!({}));
    let bearer = Bearer::paying(&stack, API, "back");
    let answers = at_once(10, |_| get_with(&stack, API, &bearer.open()).status);
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    assert_eq!(left(&stack, bearer.id()), DEPOSIT - 10 * UNIT, "each was a use, and one deposit came in");
    // And it is no money elsewhere: neither another session's deposit nor a charge.
    let other = Bearer::with_session(&stack, API, "other");
    let stolen =
        bearer.deposit.with(&json!({"action": "topUp", "sessionId": other.id(), "topUpPreimage": bearer.preimage}));
    refused(&get_with(&stack, API, &stolen), "unknown-challenge");
    assert_eq!(left(&stack, other.id()), DEPOSIT - UNIT);
}

/// T71.
#[test]
fn uses_at_once_never_cost_more_than_there_is() {
    let stack = desk(json!({"sessions": {"deposit_units": 5}}));
    let bearer = Bearer::with_session(&stack, API, "back");
    let answers = at_once(40, |_| get_with(&stack, API, &bearer.bearer()).status);
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 4, "{answers:?}");
    assert!(answers.iter().all(|status| matches!(status, 200 | 402)));
    refused(&get_with(&stack, API, &bearer.bearer()), "insufficient-balance");
    assert_eq!(left(&stack, bearer.id()), 0);
    // There is nothing to send, and nothing is.
    let closed = ok(get_with(&stack, API, &bearer.close()));
    assert_eq!((&closed["refundSats"], &closed["refundStatus"]), (&json!(0), &json!("skipped")));
    assert!(!is_paid(stack.node(), &bearer.back.1));
}

#[test]
fn another_deposit_goes_into_the_same_session_once() {
    let stack = desk(json!({"sessions": {"deposit_units": 2}}));
    let bearer = Bearer::with_session(&stack, API, "back");
    assert_eq!(get_with(&stack, API, &bearer.bearer()).status, 200);
    refused(&get_with(&stack, API, &bearer.bearer()), "insufficient-balance");
    let top_up = bearer.top_up(&stack, API);
    let answers = at_once(5, |_| get_with(&stack, API, &top_up));
    for answer in answers {
        assert_eq!(ok(answer), json!({"status": "ok"}));
    }
    assert_eq!(left(&stack, bearer.id()), 2 * UNIT);
    assert_eq!(seen(&stack).len(), 2, "a top-up is no request");
    assert_eq!(get_with(&stack, API, &bearer.bearer()).status, 200);
    // The proof of the session is none of a deposit.
    let unpaid = Deposit::asked(&stack, API);
    let forged = unpaid.with(&json!({"action": "topUp", "sessionId": bearer.id(), "topUpPreimage": bearer.preimage}));
    refused(&get_with(&stack, API, &forged), "invalid-preimage");
    assert_eq!(left(&stack, bearer.id()), UNIT);
}

/// A deposit that came too late for its session opens another one: nobody loses it.
#[test]
fn a_deposit_for_a_session_that_was_closed_opens_another() {
    let stack = desk(json!({}));
    let bearer = Bearer::with_session(&stack, API, "back");
    let deposit = Deposit::asked(&stack, API);
    let preimage = stack.node().pay(&deposit.invoice);
    assert_eq!(ok(get_with(&stack, API, &bearer.close()))["refundStatus"], "succeeded");
    let top_up = deposit.with(&json!({"action": "topUp", "sessionId": bearer.id(), "topUpPreimage": preimage}));
    refused(&get_with(&stack, API, &top_up), "session-closed");
    let back = open_invoice(stack.node(), "late");
    let open = deposit.with(&json!({"action": "open", "preimage": preimage, "returnInvoice": back.0}));
    assert_eq!(get_with(&stack, API, &open).status, 200);
    assert_eq!(left(&stack, &deposit.hash), DEPOSIT - UNIT);
    assert_eq!(book(&stack, bearer.id()).0, 0);
}

/// T66, C7: the node's word that it was paid, and a return invoice that can be used, or there is no session.
#[test]
fn what_is_no_deposit_opens_nothing() {
    let stack = desk(json!({}));
    let unpaid = Deposit::asked(&stack, API);
    let back = open_invoice(stack.node(), "back");
    let guess = "11".repeat(32);
    let open = |preimage: &str, back: &str| {
        unpaid.with(&json!({"action": "open", "preimage": preimage, "returnInvoice": back}))
    };
    refused(&get_with(&stack, API, &open(&guess, &back.0)), "invalid-preimage");
    let paid = stack.node().pay(&unpaid.invoice);
    let with_amount = crate::common::wallet::invoice(stack.node(), 5, "five").0;
    for wrong in [with_amount.as_str(), "lnbcrt1junk", ""] {
        refused(&get_with(&stack, API, &open(&paid, wrong)), "invalid-return-invoice");
    }
    let nobody = unpaid.with(&json!({"action": "bearer", "sessionId": unpaid.hash, "preimage": paid}));
    refused(&get_with(&stack, API, &nobody), "session-not-found");
    // A challenge that somebody changed is a forgery, and costs no invoice (C1).
    let mut changed =
        Deposit { challenge: unpaid.challenge.clone(), invoice: String::new(), hash: unpaid.hash.clone() };
    changed.challenge["expires"] = "2038-01-01T00:00:00Z".into();
    let forged = changed.with(&json!({"action": "open", "preimage": paid, "returnInvoice": back.0}));
    assert_eq!(get_with(&stack, API, &forged).status, 401);
    assert_eq!(seen(&stack), [""; 0]);
    // And the right one is still good.
    assert_eq!(get_with(&stack, API, &open(&paid, &back.0)).status, 200);
}

/// T81: what the origin failed costs nothing.
#[test]
fn an_origin_that_fails_gives_the_unit_back() {
    let origin = Server::start(|heard, stream| match heard.target.as_str() {
        "/api/fine" => server::reply(stream, 200, &[], b"fine"),
        _ => server::reply(stream, 500, &[], b"broken"),
    });
    let stack = desk_before(&origin);
    let bearer = Bearer::paying(&stack, API, "back");
    assert_eq!(get_with(&stack, "/api/broken", &bearer.open()).status, 500);
    assert_eq!(left(&stack, bearer.id()), DEPOSIT);
    assert_eq!(get_with(&stack, "/api/fine", &bearer.bearer()).status, 200);
    assert_eq!(left(&stack, bearer.id()), DEPOSIT - UNIT);
}

/// T93: the money stays in the session's book until the node has said no definitely; then another invoice takes it.
#[test]
fn a_refund_that_failed_goes_to_another_invoice_of_who_paid() {
    let stack = desk(json!({}));
    let bearer = Bearer::with_session(&stack, API, "fail");
    let closed = ok(get_with(&stack, API, &bearer.close()));
    assert_eq!((&closed["refundSats"], &closed["refundStatus"]), (&json!(190), &json!("failed")));
    assert_eq!(left(&stack, bearer.id()), 190);
    let (bolt11, hash) = open_invoice(stack.node(), "better");
    // Others on the route have seen the preimage, but never the challenge that the deposit was paid for.
    let stranger = Deposit::asked(&stack, API);
    refused(&get_with(&stack, API, &bearer.close_to(&stranger, &bolt11)), "invalid-return-invoice");
    assert!(!is_paid(stack.node(), &hash));
    let closed = ok(get_with(&stack, API, &bearer.close_to(&bearer.deposit, &bolt11)));
    assert_eq!(closed["refundStatus"], "succeeded", "{closed}");
    // A tenth of the one unit that was earned is less than a route may cost, so 10 sats stay behind for it, once.
    assert_eq!((&closed["refundSats"], received(stack.node(), &hash)), (&json!(180), 180));
    let (third, rest) = open_invoice(stack.node(), "third");
    assert_eq!(ok(get_with(&stack, API, &bearer.close_to(&bearer.deposit, &third)))["refundSats"], 9);
    assert_eq!((received(stack.node(), &rest), received(stack.node(), &hash)), (9, 180));
    // The same invoice again finds it done.
    assert_eq!(ok(get_with(&stack, API, &bearer.close_to(&bearer.deposit, &third)))["refundStatus"], "succeeded");
    assert_eq!(received(stack.node(), &rest), 9);
    sound(&stack, bearer.id());
}

/// A session that earned nothing: the route is at the cost of who paid, and what it did not cost is not lost.
#[test]
fn an_unused_deposit_goes_back_in_the_end_to_the_last_sat() {
    let origin = Server::start(|_, stream| server::reply(stream, 500, &[], b"broken"));
    let stack = desk_before(&origin);
    let bearer = Bearer::paying(&stack, API, "fail");
    assert_eq!(get_with(&stack, API, &bearer.open()).status, 500);
    let closed = ok(get_with(&stack, API, &bearer.close()));
    assert_eq!((&closed["refundSats"], &closed["refundStatus"]), (&json!(200), &json!("failed")));
    let mut got = 0;
    for expected in [190, 9, 0] {
        let (bolt11, hash) = open_invoice(stack.node(), "back");
        assert_eq!(ok(get_with(&stack, API, &bearer.close_to(&bearer.deposit, &bolt11)))["status"], "closed");
        got += if expected > 0 { received(stack.node(), &hash) } else { 0 };
        assert_eq!(is_paid(stack.node(), &hash), expected > 0);
    }
    assert_eq!((got, left(&stack, bearer.id())), (199, 1), "less than an invoice and its route can carry");
}

#[test]
fn a_refund_under_way_is_pending_and_not_sent_twice() {
    let stack = desk(json!({}));
    let bearer = Bearer::with_session(&stack, API, "late");
    let answers = at_once(5, |_| ok(get_with(&stack, API, &bearer.close())));
    assert!(answers.iter().all(|closed| closed["refundSats"] == 190), "{answers:?}");
    let done = within(Duration::from_secs(30), "the end of the refund", || {
        let closed = ok(get_with(&stack, API, &bearer.close()));
        (closed["refundStatus"] != "pending").then_some(closed)
    });
    assert_eq!(done["refundStatus"], "succeeded");
    assert_eq!(received(stack.node(), &bearer.back.1), 190);
    assert_eq!(book(&stack, bearer.id()).0, 0);
}

/// Nobody says close: after the idle time, here a short one, the alarm does.
#[test]
fn a_session_that_nobody_uses_is_closed_and_its_rest_goes_back() {
    let mut stack = desk(json!({"sessions": {"idle_s": 10}}));
    let bearer = Bearer::with_session(&stack, API, "back");
    let before = get_with(&stack, API, &bearer.bearer());
    assert_eq!(before.status, 200);
    // What was acknowledged survives, and so does the alarm.
    stack.workerd.crash_restart();
    std::thread::sleep(Duration::from_secs(6));
    assert!(!is_paid(stack.node(), &bearer.back.1), "not before its time");
    within(Duration::from_secs(60), "the refund of an idle session", || {
        is_paid(stack.node(), &bearer.back.1).then_some(())
    });
    assert_eq!(received(stack.node(), &bearer.back.1), DEPOSIT - 2 * UNIT);
    refused(&get_with(&stack, API, &bearer.bearer()), "session-closed");
    within(Duration::from_secs(30), "the end of the payout", || (book(&stack, bearer.id()).0 == 0).then_some(()));
}

/// F14: killed in the middle of a close, the money is in the book or on its way, once.
#[test]
fn a_killed_worker_pays_no_refund_twice_and_loses_none() {
    let mut stack = desk(json!({}));
    // A node whose store began in the second of the payout says no word about it that is believed (F17).
    std::thread::sleep(Duration::from_millis(1_100));
    for round in 0..3 {
        let bearer = Bearer::with_session(&stack, API, "back");
        let _client = send_get(&stack, API, &bearer.close());
        std::thread::sleep(Duration::from_millis(round * 4));
        stack.workerd.crash_restart();
        let closed = within(Duration::from_secs(60), "the end of the refund", || {
            let closed = ok(get_with(&stack, API, &bearer.close()));
            (closed["refundStatus"] == "succeeded").then_some(closed)
        });
        assert_eq!(closed["refundSats"], 190);
        assert_eq!(received(stack.node(), &bearer.back.1), 190);
        assert_eq!(book(&stack, bearer.id()).0, 0);
    }
}

/// Who forwards a payment learns its preimage, and gets a challenge by asking: neither makes them the bearer.
#[test]
fn a_hop_on_the_route_neither_uses_nor_closes_a_session() {
    let stack = desk(json!({}));
    let bearer = Bearer::with_session(&stack, API, "back");
    let hop = Deposit::asked(&stack, API);
    for action in ["bearer", "close"] {
        let refused = get_with(&stack, API, &bearer.says(&hop, action));
        assert_eq!(refused.status, 402);
        assert!(refused.text().contains("one of its own deposits"), "{}", refused.text());
    }
    // A deposit of the hop's own makes it no deposit of this session.
    let other = Bearer::with_session(&stack, API, "other");
    assert_eq!(get_with(&stack, API, &bearer.says(&other.deposit, "bearer")).status, 402);
    assert_eq!((left(&stack, bearer.id()), seen(&stack).len()), (DEPOSIT - UNIT, 2));
    assert!(!is_paid(stack.node(), &bearer.back.1));
    // The challenge of a top-up is one of this session's.
    let more = Deposit::asked(&stack, API);
    let preimage = stack.node().pay(&more.invoice);
    let top_up = more.with(&json!({"action": "topUp", "sessionId": bearer.id(), "topUpPreimage": preimage}));
    assert_eq!(get_with(&stack, API, &bearer.says(&more, "bearer")).status, 402, "not before it came in");
    assert_eq!(ok(get_with(&stack, API, &top_up)), json!({"status": "ok"}));
    assert_eq!(get_with(&stack, API, &bearer.says(&more, "bearer")).status, 200);
}

/// For clients that repeat the newest challenge, as the draft has it.
#[test]
fn any_challenge_will_do_where_the_policy_says_so() {
    let stack = desk(json!({"sessions": {"any_challenge": true}}));
    let bearer = Bearer::with_session(&stack, API, "back");
    let newest = Deposit::asked(&stack, API);
    assert_eq!(get_with(&stack, API, &bearer.says(&newest, "bearer")).status, 200);
    // Where the rest goes, only who opened it says.
    let (bolt11, hash) = open_invoice(stack.node(), "elsewhere");
    refused(&get_with(&stack, API, &bearer.close_to(&newest, &bolt11)), "invalid-return-invoice");
    assert_eq!(ok(get_with(&stack, API, &bearer.says(&newest, "close")))["refundSats"], DEPOSIT - 2 * UNIT);
    assert!(is_paid(stack.node(), &bearer.back.1) && !is_paid(stack.node(), &hash));
}

/// What came in can go back at once; a deposit beyond that opens a session of its own.
#[test]
fn a_session_holds_no_more_than_the_node_may_send_back() {
    let stack = desk(json!({"payouts": {"max_msat": 300_000}}));
    let bearer = Bearer::with_session(&stack, API, "back");
    let more = Deposit::asked(&stack, API);
    let preimage = stack.node().pay(&more.invoice);
    let top_up = more.with(&json!({"action": "topUp", "sessionId": bearer.id(), "topUpPreimage": preimage}));
    let full = get_with(&stack, API, &top_up);
    assert!(full.status == 402 && full.text().contains("This one stays good"), "{}", full.text());
    assert_eq!(left(&stack, bearer.id()), DEPOSIT - UNIT);
    let back = open_invoice(stack.node(), "back");
    let open = more.with(&json!({"action": "open", "preimage": preimage, "returnInvoice": back.0}));
    assert_eq!(get_with(&stack, API, &open).status, 200);
    for session in [&bearer.deposit, &more] {
        assert_eq!(left(&stack, &session.hash), DEPOSIT - UNIT);
    }
}

/// A session is for those who ask for one, where it is sold; whoever is in a session is not closed over its head.
#[test]
fn a_session_is_offered_to_who_prefers_it_and_where_it_is_sold() {
    let origin = Server::start(|heard, stream| {
        if heard.target == "/api/slow" {
            std::thread::sleep(Duration::from_secs(2));
        }
        server::reply(stream, 200, &[], b"")
    });
    let stack = desk_before(&origin);
    for header in ["lightning/charge", "lightning/charge, lightning/session", "lightning/*", "*/*"] {
        let offered = http::get(&stack.url(API), &[("accept-payment", header)]);
        assert_eq!(offered.status, 402);
        assert!(!offered.header("www-authenticate").unwrap().contains("session"), "{header}");
    }
    let elsewhere = http::get(&stack.url("/dear/1"), &[("accept-payment", "lightning/session")]);
    assert!(elsewhere.header("www-authenticate").unwrap().contains("intent=\"charge\""), "`dear` is not sold by it");
    let bearer = Bearer::with_session(&stack, API, "back");
    // Nor does one service's challenge open another: the deposit's unit is not its price.
    assert_eq!(get_with(&stack, "/dear/1", &bearer.bearer()).status, 402);
    assert_eq!(left(&stack, bearer.id()), DEPOSIT - UNIT);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| get_with(&stack, "/api/slow", &bearer.bearer()).status);
        eventually("the slow request", || origin.heard().iter().any(|heard| heard.target == "/api/slow").then_some(()));
        let busy = get_with(&stack, API, &bearer.close());
        assert_eq!((busy.status, busy.header("retry-after")), (409, Some("1")));
        assert_eq!(slow.join().unwrap(), 200);
    });
    assert!(!is_paid(stack.node(), &bearer.back.1));
    assert_eq!(left(&stack, bearer.id()), DEPOSIT - 2 * UNIT);
    assert_eq!(ok(get_with(&stack, API, &bearer.close()))["refundSats"], DEPOSIT - 2 * UNIT);
}

/// Row B3: what was paid at yesterday's price is used at yesterday's price, for as long as its challenge is good, which the
/// core's tests say; a deposit that comes later has the unit of its own challenge.
#[test]
fn a_deposit_is_used_at_the_price_of_its_sale_b3() {
    let mut stack = desk(json!({}));
    let bearer = Bearer::paying(&stack, API, "back");
    stack.workerd.restart_with(&json!({"services": {"api": {"price_msat": 20_000}}}));
    assert_eq!(get_with(&stack, API, &bearer.open()).status, 200);
    assert_eq!((left(&stack, bearer.id()), seen(&stack).len()), (DEPOSIT - UNIT, 1));
    let top_up = bearer.top_up(&stack, API);
    assert_eq!(ok(get_with(&stack, API, &top_up)), json!({"status": "ok"}));
    assert_eq!(left(&stack, bearer.id()), DEPOSIT - UNIT + 2 * DEPOSIT);
    assert_eq!(ok(get_with(&stack, API, &bearer.close()))["refundSats"], 3 * DEPOSIT - UNIT);
}

/// Row B4: a HEAD is served from a session that covers a unit, and takes none; nor does it open or close one.
#[test]
fn a_head_takes_no_unit_and_opens_and_closes_nothing_b4() {
    let stack = desk(json!({}));
    let bearer = Bearer::paying(&stack, API, "back");
    let head =
        |authorization: &str| http::send("HEAD", &stack.url(API), &[("authorization", authorization)], b"").status;
    assert_eq!(head(&bearer.open()), 402);
    refused(&get_with(&stack, API, &bearer.bearer()), "session-not-found");
    assert_eq!(get_with(&stack, API, &bearer.open()).status, 200);
    assert_eq!((head(&bearer.bearer()), head(&bearer.bearer())), (200, 200));
    assert_eq!((left(&stack, bearer.id()), seen(&stack).len()), (DEPOSIT - UNIT, 3));
    assert_eq!(head(&bearer.close()), 402);
    assert_eq!(ok(get_with(&stack, API, &bearer.close()))["refundSats"], DEPOSIT - UNIT);
    assert_eq!((head(&bearer.bearer()), seen(&stack).len()), (402, 3));
}

/// C14: in a dry run nobody's deposit is touched.
#[test]
fn a_dry_run_opens_no_session() {
    let mut stack = desk(json!({}));
    let bearer = Bearer::paying(&stack, API, "back");
    stack.workerd.restart_with(&json!({"mode": "dry-run"}));
    assert_eq!(get_with(&stack, API, &bearer.open()).status, 200);
    stack.workerd.restart_with(&json!({"mode": "live"}));
    refused(&get_with(&stack, API, &bearer.bearer()), "session-not-found");
    assert_eq!(get_with(&stack, API, &bearer.open()).status, 200);
    assert_eq!(left(&stack, bearer.id()), DEPOSIT - UNIT);
}

/// Without the module a preference for sessions is none, and a session's credential opens nothing.
#[test]
fn without_the_module_there_are_no_sessions() {
    let stack = Stack::start(plenty(json!({})));
    let offered = http::get(&stack.url(API), &[("accept-payment", "lightning/session")]);
    assert!(offered.header("www-authenticate").unwrap().contains("intent=\"charge\""));
    let preimage = Preimage::new([7; 32]);
    let deposit = Deposit {
        challenge: json!({"id": "x", "realm": "localhost", "method": "lightning", "intent": "session", "request": "e30"}),
        invoice: String::new(),
        hash: preimage.payment_hash().to_string(),
    };
    let forged =
        deposit.with(&json!({"action": "bearer", "sessionId": deposit.hash, "preimage": preimage.expose_hex()}));
    assert_eq!(get_with(&stack, API, &forged).status, 401);
    assert_eq!(seen(&stack), [""; 0]);
}

/// The example, as a client of its own: nothing in it is ours.
#[test]
#[ignore = "needs python3: cargo xtask interop runs it"]
fn the_example_opens_uses_and_closes_a_session() {
    let stack = desk(json!({}));
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sessions/session.py");
    let output = std::process::Command::new("python3")
        .arg(script)
        .env("URL", stack.url(API))
        .env("WALLET", format!("http://{}", stack.node().wallet_address()))
        .env("PHOENIX_WALLET_PASSWORD", stack.node().wallet_password())
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("python3 is there");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let end = told.lines().last().and_then(|line| line.split_once('{')).map(|(_, json)| format!("{{{json}"));
    let closed: Value = serde_json::from_str(&end.unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {told}"));
    assert_eq!(closed, json!({"status": "closed", "refundSats": 2 * DEPOSIT - 3 * UNIT, "refundStatus": "succeeded"}));
    assert_eq!(seen(&stack).len(), 3);
}

/// As if every deposit that waits had been good for nothing any more. The worker is killed for it, for nobody else may
/// write there. How many wait.
fn a_day_later(stack: &mut Stack) -> usize {
    const UNPAID: i64 = 12;
    stack.workerd.kill();
    let (now, mut waiting) = (crate::common::now().0, 0);
    for path in stack.workerd.databases() {
        let database = rusqlite::Connection::open(path).unwrap();
        let Ok(mut rows) = database.prepare("SELECT id, body FROM record WHERE kind = ?") else { continue };
        let rows: Vec<(Vec<u8>, Vec<u8>)> =
            rows.query_map([UNPAID], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        for (id, body) in rows {
            // The form's version and the hash; then when it is over, and when to look.
            let body = [&body[..33], &(now - 3_700).to_be_bytes(), &now.to_be_bytes()].concat();
            let set = "UPDATE record SET due = ?, body = ? WHERE kind = ? AND id = ?";
            waiting += database.execute(set, (now, body, UNPAID, id)).unwrap();
        }
    }
    stack.workerd.start_again();
    waiting
}

/// C12, F8: a deposit that was paid and that nobody used is booked under its payment hash once nobody can use it any more,
/// and the audit shows it. One that opened a session is in that one's book alone, and one that filled another session in
/// that one's; none is counted twice.
#[test]
fn a_deposit_that_nobody_used_is_in_a_book_c12() {
    let mut stack = desk(json!({}));
    let nobodys = Bearer::paying(&stack, API, "back");
    let used = Bearer::with_session(&stack, API, "used");
    let filling = Deposit::asked(&stack, API);
    let preimage = stack.node().pay(&filling.invoice);
    let top_up = json!({"action": "topUp", "sessionId": used.id(), "topUpPreimage": preimage});
    assert_eq!(ok(get_with(&stack, API, &filling.with(&top_up)))["status"], "ok");
    let pushed = |hash: &str| {
        let hash = hash.to_owned();
        move |stack: &Stack| {
            let says = |line: &String| line.contains("deposit without a session") && line.contains(&hash);
            stack.workerd.log().iter().any(says)
        }
    };
    // Pushed, and waiting: nothing is booked as long as somebody may use it.
    eventually("the pushes", || {
        let waits = |hash: &str| {
            http::get(&stack.url(&format!("{AUDIT}?account={hash}")), &[("authorization", &audit_key(&stack))]).status
                == 200
        };
        (waits(nobodys.id()) && waits(&filling.hash)).then_some(())
    });
    assert_eq!((book(&stack, nobodys.id()), book(&stack, used.id())), ((0, 0), (390_000, 10_000)));
    assert_eq!(a_day_later(&mut stack), 2, "the one that opened a session waits no more");
    within(ALARM, "the book", || {
        // Whoever asks sets an alarm that was lost.
        let booked = book(&stack, nobodys.id()).0;
        http::get(&stack.url(&format!("{AUDIT}?account={}", filling.hash)), &[("authorization", &audit_key(&stack))]);
        (booked == 200_000 && pushed(nobodys.id())(&stack)).then_some(())
    });
    within(ALARM, "the other one to be forgotten", || {
        let there = http::get(
            &stack.url(&format!("{AUDIT}?account={}", filling.hash)),
            &[("authorization", &audit_key(&stack))],
        );
        (there.status == 404).then_some(())
    });
    assert_eq!(book(&stack, used.id()).1, 10_000);
    assert!(!pushed(&filling.hash)(&stack));
    // Whoever comes with it all the same, as long as the challenge is good, finds it there once.
    let opened = get_with(&stack, API, &nobodys.open());
    assert_eq!(opened.status, 200, "{}", opened.text());
    eventually("the end of the use", || (book(&stack, nobodys.id()) == (190_000, 10_000)).then_some(()));
    assert_eq!(a_day_later(&mut stack), 0);
}

fn audit_key(stack: &Stack) -> String {
    format!("Bearer {}", stack.secrets.audit_key)
}
