//! A stand-in for the filter's lock API: a small real HTTP server on loopback that speaks the documented
//! calls, keeps the locked set and writes down every call as it came. The demonstration narrates it; tests
//! also plan its faults.

mod calls;
mod line;

pub use calls::{Call, Entry, Fault, Style};

use axum::Router;
use axum::routing::any;
use calls::{Shared, answer, answer_path};
use line::{Door, Line};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The running stand-in. Dropping it closes its port and every connection; no call is answered after that.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl StandIn {
    /// Starts it on a free loopback port; callers must authenticate with this login and password.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(login: &str, password: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(login, password));
        let stop = CancellationToken::new();
        Ok(Self {
            address,
            server: serve(listener, shared.clone(), stop.clone()),
            shared,
            stop,
        })
    }

    /// The base address of the API, as a target is configured with it.
    pub fn url(&self) -> String {
        format!("http://{}/cgi-bin/api", self.address)
    }

    /// Goes down: closes the port and all connections. What is locked stays locked.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Goes down and comes up again on the same port, with the same locked set.
    ///
    /// # Errors
    /// When the port was taken meanwhile.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop.cancel();
        // The port is free once the old server's task has ended; how it ended does not matter.
        let _ = (&mut self.server).await;
        let listener = TcpListener::bind(self.address).await?;
        self.stop = CancellationToken::new();
        self.server = serve(listener, self.shared.clone(), self.stop.clone());
        Ok(())
    }

    /// Every call so far, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.book().calls.clone()
    }

    /// What is locked now.
    pub fn locked(&self) -> Vec<Entry> {
        self.shared.book().locked.iter().cloned().collect()
    }

    /// How often an identity went from unlocked to locked.
    pub fn effective_locks(&self) -> usize {
        self.shared.book().effective_locks
    }

    /// Blacklisted senders, with their domain.
    pub fn senders(&self) -> Vec<(String, String)> {
        self.shared.book().senders.clone()
    }

    /// Plans the treatment of the next authenticated call that has no plan yet.
    pub fn push_fault(&self, fault: Fault) {
        self.shared.book().faults.push_back(fault);
    }

    /// Chooses how answers are written from now on.
    pub fn set_style(&self, style: Style) {
        self.shared.book().style = style;
    }

    /// Lets one held call go ([`Fault::Slow`]).
    pub fn release(&self) {
        self.shared.held.add_permits(1);
    }

    /// Waits until at least this many calls have arrived since the start.
    pub async fn received(&self, calls: usize) {
        let mut arrived = self.shared.arrived.subscribe();
        // It fails only when the sender is gone, and `shared` holds that.
        let _ = arrived.wait_for(|n| *n >= calls).await;
    }
}

fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) -> JoinHandle<()> {
    let app = Router::new()
        .route("/cgi-bin/api", any(answer))
        .route("/api/{*call}", any(answer_path))
        .with_state(shared)
        .into_make_service_with_connect_info::<Line>();
    let server = axum::serve(Door::new(listener, stop.clone()), app);
    tokio::spawn(async move {
        tokio::select! {
            _ = server => {}
            () = stop.cancelled() => {}
        }
    })
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
