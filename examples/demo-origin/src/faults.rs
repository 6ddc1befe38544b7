//! An origin on a bad day, below `/api/fault/`. For tests: how a gateway behaves here decides whether a payer
//! keeps what was paid for.

use std::io::Write;
use std::time::Duration;

use crate::http1::{Answer, Reply, Request};

/// A stalled origin is let go after this, so that a forgotten test does not hold a thread for ever.
const STALL: Duration = Duration::from_secs(120);
const STALL_MS_MAX: u64 = 60_000;

/// `/api/fault/` + `what`
pub fn answer(what: &str, request: &Request) -> Answer {
    let (name, argument) = what.split_once('/').unwrap_or((what, ""));
    let reply = match name {
        // status/503: any status
        "status" => match argument.parse() {
            Ok(status @ 200..=599) => Reply::text(status, "a fault that was asked for\n"),
            _ => return unknown(),
        },
        // slow?ms=500: answers late
        "slow" => {
            let ms = request.parameter("ms").and_then(|n| n.parse().ok()).unwrap_or(1_000);
            std::thread::sleep(Duration::from_millis(ms.min(STALL_MS_MAX)));
            Reply::text(200, "late\n")
        }
        // stall: accepts and never answers
        "stall" => return raw(|_| std::thread::sleep(STALL)),
        // hang-up: closes without a word
        "hang-up" => return raw(|_| ()),
        // cut?after=3: announces 1,000 bytes and dies after some
        "cut" => {
            let after = request.parameter("after").and_then(|n| n.parse().ok()).unwrap_or(3).min(999);
            return write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n", after);
        }
        // cut-chunked?after=3: dies inside a chunk
        "cut-chunked" => {
            let after = request.parameter("after").and_then(|n| n.parse().ok()).unwrap_or(3).min(999);
            return write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n", after);
        }
        // garbage: not HTTP
        "garbage" => return write("SSH-2.0-not-http\r\n\r\n", 0),
        "set-cookie" => Reply::text(200, "with cookies\n")
            .with("Set-Cookie", "session=1; Path=/; HttpOnly")
            .with("Set-Cookie", "theme=dark"),
        // challenge: an origin with a paywall of its own
        "challenge" => Reply::text(402, "the origin wants money too\n")
            .with("WWW-Authenticate", "L402 macaroon=\"b3JpZ2lu\", invoice=\"lnbcrt1origin\""),
        // redirect?to=…: the target as it stands in the query
        "redirect" => Reply::text(302, "elsewhere\n").with("Location", request.parameter("to").unwrap_or("/free/1")),
        // hop: headers that end at the next hop, one of them only because Connection names it
        "hop" => Reply::text(200, "hop by hop\n")
            .with("Connection", "X-Private-Hop")
            .with("X-Private-Hop", "1")
            .with("Keep-Alive", "timeout=5")
            .with("Proxy-Authenticate", "Basic realm=\"origin\"")
            .with("X-End-To-End", "1"),
        // public: an origin that thinks everybody may have this
        "public" => Reply::text(200, "cache me\n").with("Cache-Control", "public, max-age=3600").with("ETag", "\"v1\""),
        // receipt: an origin that speaks in the gateway's name
        "receipt" => Reply::text(200, "trust me\n")
            .with("Payment-Receipt", "forged")
            .with("Satstile-Receipt", "forged")
            .with("Satstile-Free-Remaining", "999"),
        _ => return unknown(),
    };
    Answer::Reply(reply)
}

fn unknown() -> Answer {
    Answer::Reply(Reply::text(404, "no such fault; they are listed in examples/demo-origin/src/faults.rs\n"))
}

fn raw(act: impl FnOnce(&mut std::net::TcpStream) + 'static) -> Answer {
    Answer::Raw(Box::new(move |stream| {
        act(stream);
        Ok(())
    }))
}

/// Writes the head and `after` bytes of body, then hangs up.
fn write(head: &'static str, after: usize) -> Answer {
    Answer::Raw(Box::new(move |stream| {
        stream.write_all(head.as_bytes())?;
        stream.write_all(&vec![b'x'; after])?;
        stream.flush()
    }))
}
