//! Withdrawing an invoice, so that nobody can pay it any more (T95): what is sent, and what counts as done.

mod common;

use common::{CONNECTIONS, ORDER, asked, body, connection, invoice, reply};
use satstile_lightning::{BackendFault, HttpReply, HttpRequest, Status, Step, Watched};

/// One more step of withdrawing the invoice of the golden files.
fn next(kind: &str, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
    let invoice = invoice(kind);
    let watched = Watched { payment_hash: invoice.payment_hash, amount: ORDER.amount, reference: &invoice.reference };
    connection(kind).backend.cancel(&watched, replies)
}

#[track_caller]
fn ends(kind: &str, replies: &[HttpReply], ending: Result<Status, BackendFault>) {
    match next(kind, replies) {
        Ok(Step::Ask(request)) => panic!("asks for {request:?}"),
        Ok(Step::Done(status)) => assert_eq!(Ok(status), ending),
        Err(fault) => assert_eq!(Err(fault), ending),
    }
}

#[track_caller]
fn is_settled(kind: &str, replies: &[HttpReply]) {
    let step = next(kind, replies);
    assert!(matches!(step, Ok(Step::Done(Status::Settled { .. }))), "{step:?}");
}

fn line(request: &HttpRequest) -> (String, Option<&str>) {
    (format!("{} {}", request.method.as_str(), request.url), request.body.as_deref())
}

fn canceled() -> HttpReply {
    HttpReply::new(200, "{}")
}

/// lnd's "no" to an invoice that was paid.
fn settled_already() -> HttpReply {
    HttpReply::new(500, r#"{"code":2,"message":"invoice already settled","details":[]}"#)
}

#[test]
fn lnd_is_asked_to_cancel_and_then_what_became_of_it() {
    let hash = invoice("lnd-rest").payment_hash;
    let cancel = asked(next("lnd-rest", &[]));
    assert!(cancel.headers.contains(&("grpc-metadata-macaroon", "0201036c6e64".to_owned())));
    let body = r#"{"payment_hash":"+5IVf1rQHW7xaqds3HuelwChr3j5CZDp2/uVox+VzNM="}"#;
    assert_eq!(line(&cancel), ("POST https://node.test:8080/v2/invoices/cancel".to_owned(), Some(body)));
    let may_not = || reply("lnd-rest", "error");
    for first in [canceled(), settled_already(), may_not(), HttpReply::new(404, "{}"), HttpReply::new(503, "")] {
        let look = asked(next("lnd-rest", &[first]));
        assert_eq!(line(&look), (format!("GET https://node.test:8080/v1/invoice/{hash}"), None));
    }
}

#[test]
fn lnds_state_decides_and_not_its_answer() {
    let gone = || HttpReply::new(200, body("lnd-rest", "unpaid").replace("\"OPEN\"", "\"CANCELED\""));
    ends("lnd-rest", &[canceled(), gone()], Ok(Status::Canceled));
    ends("lnd-rest", &[HttpReply::new(503, ""), gone()], Ok(Status::Canceled));
    is_settled("lnd-rest", &[settled_already(), reply("lnd-rest", "paid")]);
    is_settled("lnd-rest", &[canceled(), reply("lnd-rest", "paid")]);
    is_settled("lnd-rest", &[reply("lnd-rest", "error"), reply("lnd-rest", "paid")]);
    // It forgets what it canceled, where it was told to.
    ends("lnd-rest", &[canceled(), reply("lnd-rest", "unknown")], Ok(Status::Canceled));
    ends("lnd-rest", &[settled_already(), reply("lnd-rest", "unknown")], Ok(Status::NotFound));
}

/// The nearest "no": open is not canceled, whatever was answered before.
#[test]
fn an_invoice_that_lnd_calls_open_is_not_withdrawn() {
    let open = || reply("lnd-rest", "unpaid");
    ends("lnd-rest", &[canceled(), open()], Ok(Status::Pending));
    ends("lnd-rest", &[HttpReply::new(503, ""), open()], Err(BackendFault::Busy(503)));
    ends("lnd-rest", &[HttpReply::new(404, "{}"), open()], Err(BackendFault::Refused(404)));
    ends("lnd-rest", &[HttpReply::new(501, "{}"), open()], Err(BackendFault::NotOffered));
    ends("lnd-rest", &[canceled(), HttpReply::new(503, "")], Err(BackendFault::Busy(503)));
    // A macaroon that may not do it.
    for second in [open(), reply("lnd-rest", "error"), HttpReply::new(503, "")] {
        ends("lnd-rest", &[reply("lnd-rest", "error"), second], Err(BackendFault::Unauthorized));
    }
    // It is withdrawn, and nobody has said so yet.
    for first in [canceled(), HttpReply::new(503, "")] {
        ends("lnd-rest", &[first, reply("lnd-rest", "error")], Err(BackendFault::Unreadable));
    }
    // Another invoice, which ran out.
    ends("lnd-rest", &[canceled(), reply("lnd-rest", "expired")], Err(BackendFault::WrongInvoice));
}

/// What `delinvoice` gives: the invoice as it was.
fn deleted(status: &str) -> HttpReply {
    let hash = invoice("clnrest").payment_hash;
    let gone = format!(
        r#"{{"label":"order-1","payment_hash":"{hash}","amount_msat":21000,"status":"{status}","expires_at":1795264347,"created_index":2}}"#
    );
    HttpReply::new(201, gone)
}

fn says_no(code: i32) -> HttpReply {
    HttpReply::new(500, format!(r#"{{"code":{code},"message":"no"}}"#))
}

#[test]
fn core_lightning_deletes_by_label_and_by_the_status_that_it_told() {
    let hash = invoice("clnrest").payment_hash;
    let url = |method: &str| format!("POST https://node.test:3010/v1/{method}");
    let list = format!(r#"{{"payment_hash":"{hash}"}}"#);
    assert_eq!(line(&asked(next("clnrest", &[]))), (url("listinvoices"), Some(list.as_str())));
    for (name, status) in [("unpaid", "unpaid"), ("expired", "expired")] {
        let delete = format!(r#"{{"label":"order-1","status":"{status}"}}"#);
        let request = asked(next("clnrest", &[reply("clnrest", name)]));
        assert_eq!(line(&request), (url("delinvoice"), Some(delete.as_str())));
        ends("clnrest", &[reply("clnrest", name), deleted(status)], Ok(Status::Canceled));
    }
    is_settled("clnrest", &[reply("clnrest", "paid")]);
    ends("clnrest", &[reply("clnrest", "unknown")], Ok(Status::NotFound));
}

/// The status changed between the question and the order: it is asked for once more.
#[test]
fn what_core_lightning_did_not_delete_is_looked_at_again() {
    let hash = invoice("clnrest").payment_hash;
    let list = format!(r#"{{"payment_hash":"{hash}"}}"#);
    for code in [905, 906] {
        let before = [reply("clnrest", "unpaid"), says_no(code)];
        let request = asked(next("clnrest", &before));
        assert_eq!(request.body.as_deref(), Some(list.as_str()));
        let after = |name| [before.to_vec(), vec![reply("clnrest", name)]].concat();
        is_settled("clnrest", &after("paid"));
        ends("clnrest", &after("unknown"), Ok(Status::NotFound));
        ends("clnrest", &after("expired"), Err(BackendFault::Busy(500)));
    }
    let open = || reply("clnrest", "unpaid");
    ends("clnrest", &[open(), says_no(-1)], Err(BackendFault::Refused(500)));
    ends("clnrest", &[open(), reply("clnrest", "unauthorized")], Err(BackendFault::Unauthorized));
    ends("clnrest", &[open(), HttpReply::new(503, "")], Err(BackendFault::Busy(503)));
    ends("clnrest", &[open(), deleted("paid")], Err(BackendFault::Unreadable));
    ends("clnrest", &[open(), HttpReply::new(201, "{}")], Err(BackendFault::WrongInvoice));
}

#[test]
fn no_other_back_end_offers_it() {
    for (kind, ..) in CONNECTIONS.iter().filter(|(kind, ..)| !["lnd-rest", "clnrest"].contains(kind)) {
        ends(kind, &[], Err(BackendFault::NotOffered));
    }
}
