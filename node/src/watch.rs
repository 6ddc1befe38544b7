//! Watches the back ends for settlements: by what they tell of themselves, and by asking.

use std::sync::Arc;
use std::time::Duration;

use satstile_lightning::Push;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;

use crate::looks::Looks;
use crate::remote::Remote;

mod cln;
mod lnd;
mod poll;

pub(crate) use poll::first_look_ms;

/// How long is waited before a stream that broke is opened again: a second, doubled each time up to this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Starts the watchers of one back end.
pub(crate) fn start(tasks: &mut JoinSet<()>, remote: &Arc<Remote>, looks: &Looks, stop: &Receiver<bool>) {
    spawn(tasks, stop, poll::run(Arc::clone(remote), looks.clone()));
    match remote.push() {
        Some(Push::Lnd(node)) => spawn(tasks, stop, lnd::run(node.clone(), Arc::clone(remote), looks.clone())),
        Some(Push::Cln(node)) => spawn(tasks, stop, cln::run(node.clone(), Arc::clone(remote), looks.clone())),
        // phoenixd's WebSocket is not listened to yet: it is asked, as those are that tell nothing.
        Some(Push::Phoenixd(_)) | None => {}
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
        Self(Duration::from_secs(1))
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSE_MAX);
    }
}
