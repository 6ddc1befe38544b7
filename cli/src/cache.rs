//! The tokens that were bought, and the payments whose end is not known yet: one file that only its owner can read.
//!
//! A token is kept under the origin that sold it and the service it opens, before it is used for the first time, so
//! that nothing that was paid for is lost. A payment is written down before it is sent: whatever happens then, the same
//! command asks the wallet first, and never pays for the same thing a second time (T93).

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fmt, io};

use l402::UnixTime;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// Most that is kept; the oldest go first.
const KEPT_MAX: usize = 1_000;
/// Most paths that are remembered for a token.
const PATHS_MAX: usize = 32;

/// A token that was paid for.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kept {
    /// Who sold it.
    pub origin: String,
    /// What it opens: a service, with its route if it is bound to one; empty where the seller names none.
    pub service: String,
    /// The value of `Authorization`.
    pub authorization: String,
    /// The paths that it opened.
    pub paths: Vec<String>,
    /// Whether it ever opened anything.
    pub delivered: bool,
    /// What it cost.
    pub amount_msat: u64,
    /// When it was bought.
    pub bought_at: u64,
    /// When it ends, if it says so.
    pub valid_until: Option<u64>,
}

/// A payment that was sent, or was about to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// Who is paid.
    pub origin: String,
    /// For what, as in [`Kept::service`].
    pub service: String,
    /// Scheme and token, `L402 AgE…`: half of the credential.
    pub token: Redacted,
    /// What the payment is known by, in hex.
    pub payment_hash: String,
    /// What is paid.
    pub amount_msat: u64,
    /// By which wallet.
    pub wallet: String,
    /// When.
    pub sent_at: u64,
    /// For which path.
    pub path: String,
}

/// Text that does not print.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Redacted(pub String);

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Everything that is kept.
#[derive(Default, Serialize, Deserialize)]
pub struct Book {
    version: u8,
    /// Oldest first.
    pub tokens: Vec<Kept>,
    /// Oldest first.
    pub sent: Vec<Sent>,
}

impl Book {
    /// The token that most likely opens a path: one that opened it before, else one that opened its neighbours.
    /// Never one that has ended, and never one that only opened something quite different.
    pub fn likely(&self, origin: &str, path: &str, now: UnixTime) -> Option<&Kept> {
        let good = self.tokens.iter().rev().filter(|kept| kept.origin == origin && !kept.has_ended(now));
        good.filter_map(|kept| Some((kept.affinity(path)?, kept))).max_by_key(|(affinity, _)| *affinity).map(|(_, k)| k)
    }

    /// The token of a service.
    pub fn of(&self, origin: &str, service: &str) -> Option<&Kept> {
        self.tokens.iter().rev().find(|kept| kept.origin == origin && kept.service == service)
    }

    /// The payment for a service, or for this very path, whose end is not known: a seller who calls the same thing by
    /// another name is not paid again (T93).
    pub fn sent_for(&self, origin: &str, service: &str, path: &str) -> Option<&Sent> {
        self.sent.iter().find(|sent| sent.origin == origin && (sent.service == service || sent.path == path))
    }

    /// Keeps a token in the place of the one of its service.
    pub fn keep(&mut self, token: Kept) {
        self.drop_token(&token.origin, &token.service);
        self.tokens.push(token);
        let extra = self.tokens.len().saturating_sub(KEPT_MAX);
        self.tokens.drain(..extra);
    }

    /// Drops the token of a service.
    pub fn drop_token(&mut self, origin: &str, service: &str) {
        self.tokens.retain(|kept| !(kept.origin == origin && kept.service == service));
    }

    /// Notes that a token opened a path.
    pub fn opened(&mut self, origin: &str, service: &str, path: &str) {
        for kept in self.tokens.iter_mut().filter(|kept| kept.origin == origin && kept.service == service) {
            kept.delivered = true;
            kept.paths.retain(|known| known != path);
            kept.paths.push(path.to_owned());
            let extra = kept.paths.len().saturating_sub(PATHS_MAX);
            kept.paths.drain(..extra);
        }
    }

    /// Forgets a payment whose end is known.
    pub fn settle(&mut self, payment_hash: &str) {
        self.sent.retain(|sent| sent.payment_hash != payment_hash);
    }
}

impl Kept {
    /// Whether its time is over.
    pub fn has_ended(&self, now: UnixTime) -> bool {
        self.valid_until.is_some_and(|until| until <= now.0)
    }

    /// How near a path is to those that it opened: the length of the folder they share. `None` for strangers.
    fn affinity(&self, path: &str) -> Option<usize> {
        let near = |known: &String| {
            if known == path {
                return Some(usize::MAX);
            }
            let folder = known.rfind('/').map(|end| known.split_at(end + 1).0)?;
            (folder.len() > 1 && path.starts_with(folder)).then_some(folder.len())
        };
        self.paths.iter().filter_map(near).max()
    }
}

/// Without the credential.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({} {})", self.origin, self.service)
    }
}

/// Where the book lies.
#[derive(Clone, Debug)]
pub struct Cache {
    file: PathBuf,
}

impl Cache {
    /// `$XDG_CACHE_HOME/satstile/tokens`, or `~/.cache/satstile/tokens`.
    pub fn usual() -> Result<Self, Fault> {
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        let cache = cache.ok_or_else(|| {
            Fault::usage("there is no folder to keep tokens in").next("Set XDG_CACHE_HOME or HOME, or say --no-cache.")
        })?;
        Ok(Self { file: cache.join("satstile").join("tokens") })
    }

    /// Reads the book; an empty one where there is none.
    pub fn read(&self) -> Result<Book, Fault> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Book { version: 1, ..Book::default() }),
            Err(error) => return Err(self.fault(&error)),
        };
        let book: Option<Book> = serde_json::from_str(&text).ok().filter(|book: &Book| book.version == 1);
        book.ok_or_else(|| {
            Fault::not_good(format!("{} is not what this version writes", self.file.display()))
                .next("It may hold tokens that were paid for: move it away instead of deleting it.")
        })
    }

    /// Reads, changes and writes the book, one program at a time.
    pub fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> Result<T, Fault> {
        let write = || -> io::Result<File> {
            let folder = self.file.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)?;
            private_folder(folder)?;
            private(&self.file.with_extension("lock"))
        };
        let lock = write().map_err(|error| self.fault(&error))?;
        lock.lock().map_err(|error| self.fault(&error))?;
        let mut book = self.read()?;
        let result = change(&mut book);
        let text = serde_json::to_vec_pretty(&book).unwrap_or_default();
        // A rename, so that a book is never half written.
        let new = self.file.with_extension("new");
        let replaced = fs::remove_file(&new).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        let replaced = replaced.and_then(|()| {
            let mut file = private(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &self.file)
        });
        replaced.map_err(|error| self.fault(&error))?;
        Ok(result)
    }

    fn fault(&self, error: &io::Error) -> Fault {
        Fault::not_good(format!("the token cache {} cannot be used: {error}", self.file.display()))
            .next("Say --no-cache to do without; tokens are then bought anew each time.")
    }
}

/// A file for its owner alone.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A folder for its owner alone.
fn private_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_900_000_000);

    fn kept(service: &str, path: &str) -> Kept {
        Kept {
            origin: "https://a.test".to_owned(),
            service: service.to_owned(),
            authorization: format!("L402 {service}:hush"),
            paths: vec![path.to_owned()],
            delivered: true,
            amount_msat: 1_000,
            bought_at: NOW.0,
            valid_until: Some(NOW.0 + 60),
        }
    }

    fn book() -> Book {
        Book { version: 1, tokens: vec![kept("articles", "/articles/1"), kept("api", "/api/v1/x")], sent: Vec::new() }
    }

    #[track_caller]
    fn check(path: &str, service: Option<&str>) {
        let book = book();
        assert_eq!(book.likely("https://a.test", path, NOW).map(|kept| kept.service.as_str()), service, "{path}");
    }

    #[test]
    fn a_token_is_shown_where_it_or_its_neighbour_opened_and_nowhere_else() {
        check("/articles/1", Some("articles"));
        check("/articles/2", Some("articles"));
        check("/api/v1/y", Some("api"));
        check("/api/v2", None);
        check("/articles", None);
        check("/", None);
        assert!(book().likely("https://b.test", "/articles/1", NOW).is_none());
        assert!(book().likely("https://a.test", "/articles/1", NOW.plus(60)).is_none(), "ended");
    }

    #[test]
    fn a_service_has_one_token() {
        let mut book = book();
        book.keep(kept("api", "/api/v3"));
        assert_eq!(book.tokens.len(), 2);
        book.drop_token("https://a.test", "api");
        assert!(book.of("https://a.test", "api").is_none() && book.of("https://a.test", "articles").is_some());
    }

    #[test]
    fn the_book_comes_back_and_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { file: folder.path().join("satstile").join("tokens") };
        assert!(cache.read().unwrap().tokens.is_empty());
        cache.change(|book| book.keep(kept("api", "/api/"))).unwrap();
        cache.change(|book| book.opened("https://a.test", "api", "/api/2")).unwrap();
        assert_eq!(cache.read().unwrap().tokens[0].paths, ["/api/", "/api/2"]);
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&cache.file).unwrap());
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(!format!("{:?}", cache.read().unwrap().tokens).contains("hush"));
    }

    #[test]
    fn a_strange_book_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { file: folder.path().join("tokens") };
        fs::write(&cache.file, "{\"version\":2}").unwrap();
        assert!(cache.change(|book| book.tokens.clear()).is_err());
        assert_eq!(fs::read_to_string(&cache.file).unwrap(), "{\"version\":2}");
    }
}
