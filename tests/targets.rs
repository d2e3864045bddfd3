//! Every kind of target against its stand-in. One suite holds for all of them (`suite.rs`): what an order comes
//! to when things go well, twice, wrongly, late or not at all, and that nothing reaches further than asked.

#[macro_use]
mod suite;
mod cpanel;
mod exec;
mod kumomta;
mod map_file;
mod spamexperts;
mod spamexperts_orders;
mod stand_in_cpanel;
mod stand_in_exec;
mod stand_in_http;
mod stand_in_kumomta;
mod stand_in_map;
mod stand_in_spamexperts;
mod stand_in_webhook;
mod webhook;

conformance!(on_spamexperts, super::stand_in_spamexperts::Filter);
conformance!(
    on_spamexperts_by_path,
    super::stand_in_spamexperts::FilterByPath
);
conformance!(on_webhook, super::stand_in_webhook::Hook);
conformance!(
    on_webhook_without_listing,
    super::stand_in_webhook::SilentHook
);
conformance!(on_cpanel, super::stand_in_cpanel::Panel);
conformance!(on_map_file, super::stand_in_map::Map);
conformance!(on_map_file_of_lines, super::stand_in_map::Lines);
conformance!(on_exec, super::stand_in_exec::Program);
conformance!(on_kumomta, super::stand_in_kumomta::Kumo);
