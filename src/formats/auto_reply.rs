//! Answers that no person wrote (RFC 3834): vacation notes, acknowledgements, receipts (RFC 8098). Kept, never
//! counted, and never answered.

use super::content_type::parameter;
use super::mime::Message;

/// Whether the message answers by itself.
pub(super) fn is(message: &Message<'_>) -> bool {
    let begins = |name: &str, words: &[&str]| {
        let value = message.text(name).to_lowercase();
        words.iter().any(|word| value.starts_with(word))
    };
    let receipt = parameter(message.content_type, "report-type")
        .is_some_and(|kind| kind.eq_ignore_ascii_case(b"disposition-notification"));
    receipt
        || begins("Auto-Submitted", &["auto-replied", "auto-notified"])
        || begins("Precedence", &["auto_reply", "auto-reply"])
        || ["X-Autoreply", "X-Autorespond", "X-Autoresponder"]
            .iter()
            .any(|name| message.top.field(name).is_some())
        || begins(
            "Subject",
            &[
                "out of office",
                "automatic reply",
                "auto-reply",
                "autoreply",
                "auto:",
                "automatische antwort",
                "abwesenheitsnotiz",
                "réponse automatique",
                "risposta automatica",
                "respuesta automática",
                "resposta automática",
                "automatisch antwoord",
                "automaattinen vastaus",
                "automatiskt svar",
                "automatisk svar",
                "autosvar",
                "odpowiedź automatyczna",
                "automatická odpověď",
                "автоответ",
            ],
        )
}
