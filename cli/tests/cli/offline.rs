//! What needs no network: tokens, policies, receipts, completions.

use ed25519_dalek::{Signer, SigningKey};
use l402::receipt::{Receipt, key_id, keys_json};
use l402::token::UnverifiedToken;
use l402::{Msat, Preimage, UnixTime};
use serde_json::Value;

use crate::http::{Answer, Server};
use crate::world::{Ending, Program, keys, master_keys, mint, now};

const PREIMAGE: Preimage = Preimage::new([0x11; 32]);

fn credential(more: &[&str]) -> String {
    format!("{}:{}", mint(&PREIMAGE, now() + 600, more), PREIMAGE.expose_hex())
}

fn run(args: &[&str]) -> Ending {
    Program::new().run(args)
}

fn verify(credential: &str, keys: &str) -> Ending {
    let args = ["token", "verify", credential, "--keys-env", "MASTER_KEYS"];
    Program::new().run_with(&args, &[("MASTER_KEYS", keys)])
}

#[test]
fn a_token_is_shown_in_words_and_not_itself() {
    let credential = credential(&["satstile_uses=3"]);
    for text in [credential.clone(), format!("L402 {credential}"), format!("Authorization: LSAT {credential}")] {
        let ending = run(&["token", "inspect", &text]);
        assert_eq!(ending.code, 0, "{ending:?}");
        for words in ["opens api", "only GET HEAD POST", "3 answers in all", "ends 20", "this was paid"] {
            assert!(ending.out.contains(words), "{words}: {ending:?}");
        }
        assert!(!ending.out.contains(&PREIMAGE.expose_hex()) && !ending.out.contains(&credential[..60]), "{ending:?}");
    }
    let other = credential.replace(&PREIMAGE.expose_hex(), &"22".repeat(32));
    assert!(run(&["token", "inspect", &other]).out.contains("does not fit the payment hash"));
}

/// C5: an attested token says so, and only the operator's keys can tell whether that is true.
#[test]
fn an_attested_token_is_shown_and_checked_as_one() {
    let keys = keys();
    let token = UnverifiedToken::parse(&mint(&PREIMAGE, now() + 600, &[])).unwrap().verify(&keys).unwrap();
    let (token, attestation) = token.attest(&keys).unwrap();
    let credential = format!("{}:{}", token.to_wire(), attestation.expose_hex());

    let shown = run(&["token", "inspect", &credential]);
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.out.contains("attested: the seller's word") && shown.out.contains("by the word of the"), "{shown:?}");
    assert!(!shown.out.contains("does not fit") && !shown.out.contains(&attestation.expose_hex()), "{shown:?}");
    let document: Value = serde_json::from_str(&run(&["token", "inspect", &credential, "--json"]).out).unwrap();
    assert_eq!((&document["attested"], &document["preimage_fits"]), (&Value::Bool(true), &Value::Null));

    assert_eq!(verify(&credential, &master_keys(7)).code, 0);
    let narrowed = run(&["token", "attenuate", &credential, "--uses", "2"]);
    assert_eq!(verify(narrowed.out.trim(), &master_keys(7)).code, 0, "{narrowed:?}");
    // The preimage is not the attestation, and another key's word is nobody's.
    for (text, keys) in [
        (credential.replace(&attestation.expose_hex(), &PREIMAGE.expose_hex()), 7),
        (credential.replace(&attestation.expose_hex(), &"00".repeat(32)), 7),
        (credential.clone(), 8),
    ] {
        let ending = verify(&text, &master_keys(keys));
        assert!(ending.code == 1 && ending.out.contains("FAIL"), "{ending:?}");
    }
    // A holder who adds the caveat would only lose.
    let plain = self::credential(&[]);
    let ending = run(&["token", "attenuate", &plain, "--caveat", "satstile_attested=1"]);
    assert!(ending.code == 1 && ending.err.contains("the seller's to add") && ending.out.is_empty(), "{ending:?}");
}

#[test]
fn what_is_no_token_is_said_to_be_none() {
    for (text, words) in [
        ("hello!", "it is not base64"),
        ("aGVsbG8=", "it is not a macaroon of version 2"),
        ("AgEC", "it is base64, but not a macaroon"),
        ("AgEC:00", "what follows the colon is no preimage"),
    ] {
        let ending = run(&["token", "inspect", text]);
        assert!(ending.code == 1 && ending.err.contains(words), "{words}: {ending:?}");
    }
}

#[test]
fn a_narrowed_token_still_verifies_and_a_wider_one_is_refused_here() {
    let whole = credential(&[]);
    let narrow = |args: &[&str]| run(&[&["token", "attenuate", &whole], args].concat());
    let ending = narrow(&["--expires", "5m", "--methods", "GET", "--uses", "2", "--budget-sats", "21"]);
    assert_eq!(ending.code, 0, "{ending:?}");
    let narrowed = ending.out.trim();
    assert!(narrowed.ends_with(&format!(":{}", PREIMAGE.expose_hex())), "a credential comes back as one");
    let verified = verify(narrowed, &master_keys(7));
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.out.contains("2 answers in all") && verified.out.contains("21 sats in all"), "{verified:?}");

    for (wider, words) in [
        (["--expires", "11m"], "--expires: "),
        (["--methods", "GET,DELETE"], "--methods: "),
        (["--service", "dear"], "--service: "),
        (["--caveat", "satstile_colour=red"], "--caveat: "),
    ] {
        let ending = narrow(&wider);
        assert!(ending.code == 1 && ending.err.contains(words) && ending.out.is_empty(), "{ending:?}");
    }
    // And once narrowed, not back.
    assert_eq!(run(&["token", "attenuate", narrowed, "--uses", "3"]).code, 1);
    assert_eq!(run(&["token", "attenuate", narrowed, "--uses", "1"]).code, 0);
    assert_eq!(narrow(&[]).code, 2);
}

#[test]
fn a_credential_is_checked_step_by_step_with_the_operators_keys() {
    let good = credential(&[]);
    let ending = verify(&good, &master_keys(7));
    assert!(ending.code == 0 && !ending.out.contains("FAIL"), "{ending:?}");
    let retired = format!("2:{},{}", &master_keys(3)[2..], master_keys(7).replace("1:", "1!:"));
    for (credential, keys, words) in [
        (good.clone(), master_keys(8), "FAIL  signature"),
        (good.clone(), master_keys(7).replace("1:", "2:"), "FAIL  signature"),
        (good.clone(), retired, "FAIL  signature"),
        (good.replace(&PREIMAGE.expose_hex(), &"22".repeat(32)), master_keys(7), "FAIL  preimage"),
        (format!("{}:{}", mint(&PREIMAGE, now() - 1, &[]), PREIMAGE.expose_hex()), master_keys(7), "FAIL  caveats"),
        (mint(&PREIMAGE, now() + 600, &[]), master_keys(7), "FAIL  preimage"),
    ] {
        let ending = verify(&credential, &keys);
        assert!(ending.code == 1 && ending.out.contains(words), "{words}: {ending:?}");
        assert!(!ending.out.contains(&keys[2..]) && !ending.err.contains(&keys[2..]));
    }
    let nothing = run(&["token", "verify", &good, "--keys-env", "NO_SUCH_NAME"]);
    assert_eq!(nothing.code, 2, "{nothing:?}");
}

#[test]
fn a_policy_is_checked_as_the_edge_checks_it() {
    const GOOD: &str = "[vars.POLICY]\nversion = 1\ndeployment = \"demo\"\norigin = \"http://127.0.0.1:8789\"\n\
        network = \"regtest\"\n[vars.POLICY.services.api]\nprice_msat = 21000\nvalid_s = 3600\nroutes = [{ path = \"/api/*\" }]\n";
    let program = Program::new();
    let check = |text: &str| program.run(&["policy", "check", &program.write("wrangler.toml", text)]);
    let good = check(GOOD);
    assert!(good.code == 0 && good.out.contains("21 sats for 1 hour"), "{good:?}");
    for (broken, words) in [
        (GOOD.replace("price_msat", "price"), "vars.POLICY.services.api.price: is not known"),
        (GOOD.replace("regtest", "mainnet"), "FAIL"),
        (GOOD.replace("version = 1", "version = 2"), "vars.POLICY.version"),
        (format!("{GOOD}[vars]\nMASTER_KEYS = \"1:x\""), "stands in [vars]"),
        (format!("{GOOD}description = \"{}\"", "x".repeat(6_000)), "Cloudflare allows 5 KB"),
    ] {
        let ending = check(&broken);
        assert!(ending.code == 1 && ending.out.contains(words), "{words}: {ending:?}");
    }
    let two = check(&GOOD.replace("price_msat = 21000", "price_msat = 0").replace("valid_s = 3600", "valid = 1"));
    let named = ["services.api.price_msat: ", "services.api.valid: is not known", "services.api.valid_s: is missing"];
    assert!(two.code == 1 && named.iter().all(|words| two.out.contains(words)), "{two:?}");
    assert_eq!(two.out.matches("every paid route answers 503").count(), 1, "{two:?}");
    assert_eq!(check("name = \"satstile\"").code, 1);
    assert_eq!(check("version = ").code, 1);
    assert_eq!(program.run(&["policy", "check", "nowhere.toml"]).code, 2);
}

#[test]
fn an_aperture_yaml_becomes_a_policy_that_stands() {
    // The services of tests/peers/aperture.sh, and those of aperture's own sample that cannot come along whole.
    const YAML: &str = r#"
listenaddr: "127.0.0.1:22081"
authenticator: {network: "regtest", lndhost: "127.0.0.1:1"}
services:
  - {name: "free", hostregexp: '.*', pathregexp: '^/free(/|$)', address: "127.0.0.1:8789", protocol: http, auth: "off"}
  - {name: "api",  hostregexp: '.*', pathregexp: '^/api',       address: "127.0.0.1:8789", protocol: http, price: 10, timeout: 600}
  - name: "service1"
    hostregexp: '^service1.com$'
    pathregexp: '^/v1/.*$'
    address: "127.0.0.1:8789"
    protocol: http
    capabilities: "add,subtract"
    constraints: {"valid_until": 1682483169}
    timeout: 31557600
    price: 0
    authwhitelistpaths: ['^/v1/freebieservice/.*$']
    dynamicprice: {enabled: true, grpcaddress: "127.0.0.1:10010"}
  - {name: "users", hostregexp: '.*', pathregexp: '^/users/\d+$', address: "127.0.0.1:8789", protocol: http, price: 1, timeout: 5}
"#;
    let program = Program::new();
    let imported = program.run(&["policy", "import", &program.write("aperture.yaml", YAML)]);
    assert_eq!(imported.code, 0, "{imported:?}");
    let checked = program.run(&["--json", "policy", "check", &program.write("policy.toml", &imported.out)]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let checked: Value = serde_json::from_str(&checked.out).unwrap();
    let routes = checked["policies"][0]["routes"].as_array().unwrap();
    let mut shown: Vec<String> = routes.iter().map(|route| format!("{} {}", route["path"], route["service"])).collect();
    shown.sort();
    assert_eq!(
        shown,
        [r#""/api" "api""#, r#""/api/*" "api""#, r#""/v1/*" "service1""#,],
        "a path holds on every host here, so nothing is given away that another host may sell"
    );
    let one_host = YAML.replace("'^service1.com$'", "'.*'");
    let imported_one = program.run(&["policy", "import", &program.write("one.yaml", &one_host)]);
    for free in ["/free/*", "/v1/freebieservice/*"] {
        assert!(imported_one.out.contains(free) && !imported.out.contains(free), "{imported_one:?}");
    }
    for words in ["/apix", "service1.capabilities", "service1.constraints", "service1.dynamicprice", "users.pathregexp"]
    {
        assert!(imported.err.contains(words), "{words}: {imported:?}");
    }
    let wrangler = program.run(&["policy", "import", &program.write("aperture.yaml", YAML), "--wrangler"]);
    assert_eq!(program.run(&["policy", "check", &program.write("site.toml", &wrangler.out)]).code, 0);
    assert_eq!(program.run(&["policy", "import", &program.write("x.yaml", "services: {")]).code, 1);
}

fn receipt() -> Receipt {
    Receipt {
        issuer: "https://api.example.com".to_owned(),
        service: "articles".to_owned(),
        amount: Msat(21_000),
        payment_hash: PREIMAGE.payment_hash(),
        challenge_id: None,
        issued_at: UnixTime(1_700_000_000),
    }
}

fn signed(receipt: &Receipt, key: &SigningKey) -> String {
    let input = receipt.to_sign(&key_id(key.verifying_key().as_bytes()));
    input.with_signature(&key.sign(input.as_bytes()).to_bytes())
}

#[test]
fn a_receipt_is_genuine_or_it_is_not() {
    let [old, new, other] = [1, 2, 3].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let published = keys_json(&[*new.verifying_key().as_bytes(), *old.verifying_key().as_bytes()]);
    let program = Program::new();
    let keys = program.write("keys.json", &published);
    let check =
        |text: &str, keys: &str| program.run(&["receipt", "verify", &program.write("r.jws", text), "--keys", keys]);

    for key in [&old, &new] {
        let ending = check(&signed(&receipt(), key), &keys);
        assert!(
            ending.code == 0 && ending.out.contains("21 sats for articles at https://api.example.com"),
            "{ending:?}"
        );
    }
    let genuine = signed(&receipt(), &new);
    let dearer = signed(&Receipt { amount: Msat(22_000), ..receipt() }, &other);
    let (_, signature) = genuine.rsplit_once('.').unwrap();
    let named_new = Receipt { amount: Msat(22_000), ..receipt() }.to_sign(&key_id(new.verifying_key().as_bytes()));
    let forged = format!("{}.{signature}", String::from_utf8_lossy(named_new.as_bytes()));
    for (text, words) in [
        (dearer.as_str(), "none of these keys signed it"),
        (&forged, "the signature does not hold"),
        ("hello", "not a receipt"),
    ] {
        let ending = check(text, &keys);
        assert!(ending.code == 1 && ending.err.contains(words) && ending.out.is_empty(), "{words}: {ending:?}");
    }

    let seller = Server::start(move |_| Answer::new(200, &published));
    let ending = check(&genuine, &format!("{}/.well-known/satstile/keys.json", seller.url));
    assert_eq!(ending.code, 0, "{ending:?}");
    assert!(ending.err.contains("the keys come from elsewhere"), "{ending:?}");
}

#[test]
fn shells_complete_and_help_teaches_the_exit_codes() {
    for shell in ["bash", "zsh", "fish"] {
        let ending = run(&["completions", shell]);
        assert!(ending.code == 0 && ending.out.contains("attenuate"), "{shell}");
    }
    assert!(run(&["--help"]).out.contains("nothing was paid: over the limit"));
    assert!(run(&["pay", "--help"]).out.contains("At most one payment a call"));
}

#[test]
fn no_colour_goes_into_a_pipe() {
    let ending = run(&["token", "inspect", &credential(&[])]);
    assert!(!ending.out.contains('\u{1b}') && !ending.err.contains('\u{1b}'));
}
