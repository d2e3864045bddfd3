//! The intake as SMTP sees it: an inbox for the configured abuse addresses.

use crate::domain::feed::{Arrival, Certificate, Security, takes};
use crate::intake::Intake;
use crate::smtp::{self, Envelope, Inbox, Receipt};
use async_trait::async_trait;
use std::collections::HashSet;
use std::net::IpAddr;

/// The inbox of the abuse desk.
#[derive(Debug)]
pub struct Desk {
    /// Takes what is accepted.
    pub intake: Intake,
    /// The abuse addresses.
    pub recipients: Vec<String>,
    /// Those whose mail must come under TLS, in lower case.
    pub tls_recipients: HashSet<String>,
}

#[async_trait]
impl Inbox for Desk {
    /// With no addresses configured any is taken, but only from this machine: the configuration check sees
    /// to the listener, this to the client.
    fn accepts(&self, client: IpAddr, recipient: &str) -> bool {
        if self.recipients.is_empty() {
            return client.is_loopback();
        }
        takes(&self.recipients, recipient)
    }

    fn wants_tls(&self, recipient: &str) -> bool {
        self.tls_recipients
            .contains(&recipient.to_ascii_lowercase())
    }

    async fn deliver(&self, envelope: Envelope, message: Vec<u8>) -> Receipt {
        let arrival = Arrival {
            client: envelope.client,
            helo: envelope.helo,
            mail_from: envelope.mail_from,
            rcpt_to: envelope.rcpt_to,
            security: security(envelope.security),
        };
        match self.intake.take(arrival, message).await {
            Ok(filed) if filed.repeated => Receipt::Filed(format!("already filed as {}", filed.id)),
            Ok(filed) => Receipt::Filed(format!("filed as {}", filed.id)),
            Err(_) => Receipt::TryLater("not filed, try again".to_owned()),
        }
    }
}

fn security(of: smtp::Security) -> Security {
    Security {
        tls: of.tls,
        certificate: of.certificate.map(|shown| Certificate {
            sha256: shown.sha256,
            names: shown.names,
        }),
        login: of.login,
    }
}
