//! Watches the back ends for settlements: by what they tell of themselves, and by asking.

use std::sync::Arc;
use std::time::{Duration, Instant};

use satstile_lightning::BackendFault;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;

use crate::clock;
use crate::looks::Looks;
use crate::remote::Remote;
use crate::store::invoices;
use crate::way::Tells;

mod cln;
mod lnd;
mod nwc;
mod phoenixd;
mod poll;

pub(crate) use poll::first_look_ms;

/// How long is waited before a stream that broke is opened again, doubled each time up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Starts the watchers of one back end.
pub(crate) fn start(tasks: &mut JoinSet<()>, remote: &Arc<Remote>, looks: &Looks, stop: &Receiver<bool>) {
    let own = || (Arc::clone(remote), looks.clone());
    let (told, looks_of) = own();
    spawn(tasks, stop, poll::run(told, looks_of));
    let (told, looks_of) = own();
    match remote.tells() {
        Some(Tells::Lnd(node, client)) => {
            spawn(tasks, stop, lnd::run(node.clone(), client.clone(), told, looks_of));
        }
        Some(Tells::Cln(node, client)) => {
            spawn(tasks, stop, cln::run(node.clone(), client.clone(), told, looks_of));
        }
        Some(Tells::Phoenixd(node, client)) => {
            spawn(tasks, stop, phoenixd::run(node.clone(), client.clone(), told, looks_of));
        }
        Some(Tells::Nwc(client)) => spawn(tasks, stop, nwc::run(client.clone(), told, looks_of)),
        None => {}
    }
}

fn spawn(tasks: &mut JoinSet<()>, stop: &Receiver<bool>, watcher: impl Future<Output = ()> + Send + 'static) {
    let mut stop = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = watcher => {}
            _ = stop.wait_for(|stopped| *stopped) => {}
        }
    });
}

/// Waits between two attempts, longer each time.
struct Pause(Duration);

impl Pause {
    const fn new() -> Self {
        Self(PAUSE_MIN)
    }

    /// A web socket broke, or could not be opened: until there is another one its back end is asked, and at once about
    /// all that it may have told in vain. One that lasted makes the next wait short.
    async fn after(&mut self, begun: Instant, fault: BackendFault, remote: &Remote, looks: &Looks) {
        if begun.elapsed() > PAUSE_MAX {
            *self = Self::new();
        }
        // Said once, and not every half a minute.
        if self.0 == PAUSE_MIN {
            tracing::warn!(backend = remote.name, %fault, "settlements are not told; this back end is asked instead");
        }
        if remote.set_heard(false) {
            let (name, now_ms) = (remote.name.clone(), clock::now_ms());
            let write = looks.store.write(move |books| invoices::look_by(books, &name, now_ms));
            let _ = write.await; // else they are asked about when their time comes
        }
        self.wait().await;
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSE_MAX);
    }
}
