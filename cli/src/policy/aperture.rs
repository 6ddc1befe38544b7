//! What is read of an `aperture.yaml`. Names have no case there, and what is not known is skipped, as aperture does.

use serde_json::Value;

use crate::fault::Fault;

/// How a service is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Paid.
    On,
    /// Free.
    Off,
    /// Paid, after so many requests.
    Freebie(u64),
}

/// One service, as far as it is carried over.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Which hosts.
    pub host: String,
    /// Which paths.
    pub path: String,
    /// Scheme, host and port of what is behind it.
    pub origin: String,
    /// How it is guarded.
    pub auth: Auth,
    /// Its price in satoshi, if it is named.
    pub price: Option<u64>,
    /// How long a token lasts, in seconds; 0 is for ever.
    pub timeout: u64,
    /// Expressions for paths that are free.
    pub free: Vec<String>,
    /// Keys that are set and have no counterpart.
    pub left: Vec<&'static str>,
}

/// The file.
#[derive(Clone, Debug)]
pub struct File {
    /// `authenticator.network`.
    pub network: Option<String>,
    /// In their order: the first that matches counts.
    pub services: Vec<Service>,
    /// Whether it also serves files of its own.
    pub serves_files: bool,
}

/// Keys that mean something in aperture, and what a Satstile has instead.
pub const LEFT: [(&str, &str); 9] = [
    ("capabilities", "Satstile mints no capability caveats. Sell each right as a service of its own."),
    ("constraints", "Satstile mints no constraint caveats. Limit a token with `valid_s` and `uses`."),
    ("dynamicprice", "A policy has fixed prices. Set `price_msat`."),
    ("headers", "The edge adds no such header fields. Let the origin recognise the edge by its network address."),
    ("rewrite", "The edge rewrites no paths. Serve the rewritten paths at the origin."),
    ("tlscertpath", "The edge trusts public certificate authorities only. Give the origin a certificate of one."),
    ("ratelimits", "The edge limits invoices, not the requests of those who paid. Set `budgets`."),
    ("authskipinvoicecreationpaths", "Every path that is sold answers with an invoice."),
    ("authscheme", "The edge offers both schemes with one invoice. `payment_first` sets their order."),
];

/// Reads the file.
pub fn parse(text: &str) -> Result<File, Fault> {
    let file: Value = serde_saphyr::from_str(text)
        .map_err(|error| Fault::not_good("this is not the YAML of an aperture").next(error.to_string()))?;
    let Some(services) = get(&file, "services").and_then(Value::as_array) else {
        return Err(Fault::not_good("there is no list `services` in it").next("Is this the file of --configfile?"));
    };
    Ok(File {
        network: get(&file, "authenticator").and_then(|value| text_of(value, "network")),
        services: services.iter().enumerate().map(|(at, value)| service(at, value)).collect(),
        serves_files: get(&file, "servestatic") == Some(&Value::Bool(true)),
    })
}

fn service(at: usize, value: &Value) -> Service {
    let is_set = |name: &str| match get(value, name) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        // `dynamicprice: {enabled: false}` asks for nothing.
        Some(table @ Value::Object(_)) => get(table, "enabled") != Some(&Value::Bool(false)),
        Some(_) => true,
    };
    let number = |name: &str| match get(value, name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let texts = |name: &str| {
        let list = get(value, name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let protocol = text_of(value, "protocol").unwrap_or_else(|| "http".to_owned()).to_ascii_lowercase();
    Service {
        name: text_of(value, "name").unwrap_or_else(|| format!("service{}", at + 1)),
        host: text_of(value, "hostregexp").unwrap_or_default(),
        path: text_of(value, "pathregexp").unwrap_or_default(),
        origin: format!("{protocol}://{}", text_of(value, "address").unwrap_or_default()),
        auth: auth(get(value, "auth")),
        price: number("price"),
        timeout: number("timeout").unwrap_or(0),
        free: texts("authwhitelistpaths"),
        left: LEFT.iter().map(|(name, _)| *name).filter(|name| is_set(name)).collect(),
    }
}

/// `on`, `true` and nothing are on; `off` and `false` are off; YAML reads some of them as truth values.
fn auth(value: Option<&Value>) -> Auth {
    let text = match value {
        Some(Value::Bool(false)) => return Auth::Off,
        Some(Value::String(text)) => text.trim().to_ascii_lowercase(),
        _ => return Auth::On,
    };
    match text.as_str() {
        "off" | "false" => Auth::Off,
        _ => match text.strip_prefix("freebie") {
            Some(count) => Auth::Freebie(count.trim().parse().unwrap_or(1)),
            None => Auth::On,
        },
    }
}

fn get<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn text_of(value: &Value, name: &str) -> Option<String> {
    get(value, name).and_then(Value::as_str).map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_read_as_aperture_reads_it() {
        let file = parse(
            "authenticator: {network: regtest}\nservices:\n  - {name: a, hostregexp: '.*', pathregexp: '^/a', address: '127.0.0.1:1', \
             protocol: http, auth: \"off\"}\n  - {Name: b, address: 'x:2', protocol: HTTPS, auth: freebie 3, price: 10, timeout: 600, \
             dynamicprice: {enabled: false}, capabilities: 'add'}\n",
        )
        .unwrap();
        assert_eq!(file.network.as_deref(), Some("regtest"));
        assert_eq!((file.services[0].auth, file.services[0].origin.as_str()), (Auth::Off, "http://127.0.0.1:1"));
        let b = &file.services[1];
        assert_eq!((b.auth, b.price, b.timeout, b.origin.as_str()), (Auth::Freebie(3), Some(10), 600, "https://x:2"));
        assert_eq!(b.left, ["capabilities"]);
    }

    #[test]
    fn every_spelling_of_off_is_off_and_only_those() {
        for (text, expected) in [
            ("off", Auth::Off),
            ("\"off\"", Auth::Off),
            ("false", Auth::Off),
            ("on", Auth::On),
            ("true", Auth::On),
            ("\"\"", Auth::On),
            ("freebie 1", Auth::Freebie(1)),
            ("offline", Auth::On),
        ] {
            let file = parse(&format!("services: [{{name: a, auth: {text}}}]")).unwrap();
            assert_eq!(file.services[0].auth, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_aperture_file_is_refused() {
        assert!(parse("services: {").is_err());
        assert!(parse("name: x").is_err());
    }
}
