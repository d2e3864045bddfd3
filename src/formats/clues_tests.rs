//! Chains of hops as they are found in complainants' mailboxes: whose address comes out, and where none does.

use super::super::recover;
use crate::domain::headers::HeaderBlock;
use crate::domain::report::Reading;

/// The address that is recovered from a chain; 192.0.2.10 is the right one, and nothing is better than another.
fn source(chain: &str, recipient: Option<&str>) -> Option<String> {
    let mut reading = Reading::none();
    reading.headers = HeaderBlock::new(chain.as_bytes());
    reading.report.original_rcpt_to = recipient.iter().map(|r| (*r).to_owned()).collect();
    recover::all(&mut reading);
    reading.report.source_ip.map(|ip| ip.to_string())
}

fn of(chain: &str) -> Option<String> {
    source(chain, None)
}

const RIGHT: &str = "192.0.2.10";
/// The sender hands over to a gateway, by its name.
fn hand_over(by: &str) -> String {
    format!(
        "Received: from out.shop.example (out.shop.example [192.0.2.10])\n\tby {by} with ESMTPS id 1\n\t\
         for <kim@corp.example>; Tue, 03 Mar 2026 08:59:58 +0000\n"
    )
}

#[test]
fn filtering_services_of_the_complainant_are_passed_over() {
    for (gateway, by) in [
        ("mx0a-00123401.pphosted.com", "mx0a-00123401.pphosted.com"),
        ("mx07-0012.pphosted.com", "m0001234.ppops.net"),
        ("mx1-us1.ppe-hosted.com", "mx1-us1.ppe-hosted.com"),
        ("eu-smtp-delivery-123.mimecast.com", "relay.mimecast.com"),
        (
            "outbound-ip8a.ess.barracuda.com",
            "mx-inbound16-10.us-east-2b.ess.aws.cudaops.com",
        ),
        (
            "mail1.bemta25.messagelabs.com",
            "server-1.tower-2.messagelabs.com",
        ),
        ("esa1.hc1234-56.iphmx.com", "esa1.hc1234-56.iphmx.com"),
        (
            "mx-gate05-hz1.antispameurope.com",
            "mx-gate05-hz1.hornetsecurity.com",
        ),
        (
            "repost01.tmes.trendmicro.com",
            "inpre01.tmes.trendmicro.com",
        ),
    ] {
        let inside =
            "Received: from pps.filterd (localhost [127.0.0.1]) by filter (8.17) with ESMTP id 2\n";
        let first = format!(
            "Received: from {gateway} ({gateway} [198.51.100.20])\n\tby mail.corp.example with ESMTPS;\n\t\
             Tue, 03 Mar 2026 09:00:00 +0000\n"
        );
        let chain = format!("{first}{inside}{}", hand_over(by));
        assert_eq!(of(&chain).as_deref(), Some(RIGHT), "{gateway}");
        // The corporation's server judged the gateway's address: it is not in the sender's record.
        let judged = format!(
            "Received-SPF: softfail client-ip=198.51.100.20; envelope-from=<a@shop.example>\n{chain}"
        );
        assert_eq!(of(&judged).as_deref(), Some(RIGHT), "{gateway}");
        let judged = format!(
            "Authentication-Results: mail.corp.example; spf=fail smtp.mailfrom=a@shop.example\n{chain}"
        );
        assert_eq!(of(&judged).as_deref(), Some(RIGHT), "{gateway}");
        // The same hosts as the sender's way out: its own record names them.
        let outgoing = format!(
            "Received-SPF: pass client-ip=198.51.100.20; envelope-from=<a@shop.example>\n{chain}"
        );
        assert_eq!(of(&outgoing).as_deref(), Some("198.51.100.20"), "{gateway}");
        let outgoing = format!(
            "Authentication-Results: mx.isp.example; spf=pass smtp.mailfrom=a@shop.example\n{chain}"
        );
        assert_eq!(of(&outgoing).as_deref(), Some("198.51.100.20"), "{gateway}");
    }
}

#[test]
fn a_gateway_judges_where_the_house_behind_it_does_not() {
    let first = "Received: from gw.mailfilter.example (gw.mailfilter.example [198.51.100.20])\n by store.corp.example; x\n";
    for verdict in [
        "Received-SPF: pass (gw.mailfilter.example: domain of a@shop.example designates 192.0.2.10 as permitted sender)\n",
        "Received-SPF: none receiver=mx2.mailfilter.example; client-ip=192.0.2.10\n",
        "Authentication-Results: mailfilter.example; spf=pass smtp.mailfrom=a@shop.example\n",
    ] {
        let chain = format!("{first}{verdict}{}", hand_over("gw.mailfilter.example"));
        assert_eq!(of(&chain).as_deref(), Some(RIGHT), "{verdict}");
        // A house that judges stands at the border: what judged before it forwarded.
        let forwarded = format!("Received-SPF: none client-ip=198.51.100.20\n{chain}");
        assert_eq!(of(&forwarded).as_deref(), Some("198.51.100.20"));
    }
    // Nobody judged, or somebody else did: nothing says that it is a gateway.
    let silent = format!("{first}{}", hand_over("gw.mailfilter.example"));
    assert_eq!(of(&silent).as_deref(), Some("198.51.100.20"));
    let foreign = format!(
        "{first}Received-SPF: pass (mx.other.example: domain of a@b designates 192.0.2.10)\n{}",
        hand_over("gw.mailfilter.example")
    );
    assert_eq!(of(&foreign).as_deref(), Some("198.51.100.20"));
}

#[test]
fn the_recipients_own_border_is_passed_over() {
    let chain = format!(
        "Received: from edge.corp.example (edge.corp.example [198.51.100.20])\n by store.corp-hosting.example; x\n{}",
        hand_over("edge.corp.example")
    );
    let ours = source(&chain, Some("kim@corp.example"));
    assert_eq!(ours.as_deref(), Some(RIGHT));
    let delivered = format!("Delivered-To: <kim@corp.example>\n{chain}");
    assert_eq!(of(&delivered).as_deref(), Some(RIGHT));
    // An address below the hops is anybody's word.
    let below = format!("{chain}Delivered-To: kim@corp.example\n");
    assert_eq!(of(&below).as_deref(), Some("198.51.100.20"));
    let other = source(&chain, Some("kim@isp.example"));
    assert_eq!(other.as_deref(), Some("198.51.100.20"));
}

#[test]
fn private_relays_and_one_hosts_own_hops_are_passed_over() {
    for own in [
        "Received: from lb (lb.corp.example [10.2.3.4]) by store.corp.example; x\n",
        "Received: from relay ([172.16.9.1]) by store (8.1); x\n",
        "Received: from scan.corp.example (unknown [192.168.7.7]) by mx.other.example; x\n",
        "Received: from a ([IPv6:fd12::1]) by b; x\n",
        "Received: from nat (nat [100.64.3.2]) by b; x\n",
        "Received: from localhost (localhost [127.0.0.1]) by mx.corp.example (Postfix); x\n",
        "Received: by 2002:a05:6a20:1 with SMTP id x; x\n",
        "Received: (qmail 4711 invoked from network); x\n",
        "Received: (qmail 4711 invoked by uid 89); x\n",
        "Received: from edge (edge [198.51.100.5]) by store.corp.example with LMTP; x\n",
        "Received: from exch01.corp.local (198.51.100.9) by exch02.corp.local\n (198.51.100.10) with Microsoft SMTP Server; x\n",
        "Received: from DB8PR01MB1.eurprd01.prod.outlook.com (2603:10a6:10:1::5)\n by AM0PR01MB2.eurprd01.prod.outlook.com (2603:10a6:208::6) with HTTPS; x\n",
        "Received: from DB5EUR01FT015.eop-EUR01.prod.protection.outlook.com\n (2a01:111:e400:7e1a::50) by DB8PR01CA1.outlook.office365.com (2603:10a6:10::7); x\n\
         Received: from a.prod.outlook.com (10.152.1.2) by b.prod.outlook.com (10.152.1.3); x\n",
    ] {
        let both = format!("{own}{own}{}", hand_over("mx.corp.example"));
        assert_eq!(of(&both).as_deref(), Some(RIGHT), "{own}");
    }
}

#[test]
fn a_name_that_nobody_looked_up_opens_no_gate() {
    let forged = |hop: &str| {
        format!(
            "Received: from {hop}\n by mx.isp.example; x\n\
             Received-SPF: pass (relay.mimecast.com: domain of a@b designates 203.0.113.9 as permitted sender)\n\
             Received: from innocent.example (innocent.example [203.0.113.9])\n by relay.mimecast.com; x\n"
        )
    };
    for (hop, want) in [
        (
            "relay.mimecast.com (unknown [192.0.2.66])",
            Some("192.0.2.66"),
        ),
        (
            "relay.mimecast.com (evil.example [192.0.2.66])",
            Some("192.0.2.66"),
        ),
        (
            "relay.mimecast.com (relay.mimecast.com [192.0.2.66] (may be forged))",
            None,
        ),
        ("relay.mimecast.com ([192.0.2.66])", None),
        ("relay.mimecast.com (192.0.2.66)", None),
        (
            "x (HELO relay.mimecast.com) (192.0.2.66)",
            Some("192.0.2.66"),
        ),
    ] {
        assert_eq!(of(&forged(hop)).as_deref(), want, "{hop}");
    }
    // What the receiver judged counts where the address is the sender's own.
    let judged = format!(
        "Received-SPF: pass client-ip=192.0.2.66;\n{}",
        forged("relay.mimecast.com (192.0.2.66)")
    );
    assert_eq!(of(&judged).as_deref(), Some("192.0.2.66"));
}

#[test]
fn a_chain_that_breaks_behind_a_gateway_names_nobody() {
    let first =
        "Received: from a.mimecast.com (a.mimecast.com [198.51.100.20]) by mail.corp.example; x\n";
    assert_eq!(of(first), None);
    let foreign = format!("{first}{}", hand_over("mx.elsewhere.example"));
    assert_eq!(of(&foreign), None);
    let unclear = format!(
        "{first}Received: from web by a.mimecast.com via HTTP\n{}",
        hand_over("a.mimecast.com")
    );
    assert_eq!(of(&unclear), None);
}

#[test]
fn two_gateways_behind_each_other() {
    let chain = format!(
        "Received: from edge.corp.example (edge.corp.example [198.51.100.1]) by store.corp.example; x\n\
         Received-SPF: softfail client-ip=198.51.100.20;\n\
         Received: from a.iphmx.com (a.iphmx.com [198.51.100.20]) by edge.corp.example; x\n\
         Authentication-Results: a.iphmx.com; spf=softfail smtp.mailfrom=a@shop.example\n\
         Received: from b.mimecast.com (b.mimecast.com [198.51.100.30]) by a.iphmx.com; x\n\
         Authentication-Results: relay.mimecast.com; spf=pass smtp.mailfrom=a@shop.example\n{}",
        hand_over("relay.mimecast.com")
    );
    assert_eq!(of(&chain).as_deref(), Some(RIGHT));
}

#[test]
fn forwarding_ends_at_the_forwarder() {
    // Whom the reporter received it from (RFC 5965 section 3.2): the house that sent it on.
    let chain = format!(
        "Received-SPF: pass (mta.isp.example: domain of SRS0=x@alumni.example designates 198.51.100.7 as permitted sender)\n\
         Received: from fwd.alumni.example (fwd.alumni.example [198.51.100.7])\n by mta.isp.example; x\n\
         Authentication-Results: mx.alumni.example; spf=pass smtp.mailfrom=a@shop.example\n{}",
        hand_over("mx.alumni.example")
    );
    assert_eq!(
        source(&chain, Some("kim@isp.example")).as_deref(),
        Some("198.51.100.7")
    );
}

#[test]
fn endless_chains_end() {
    let own = "Received: from a (a [10.0.0.1]) by b; x\n";
    assert_eq!(
        of(&format!("{}{}", own.repeat(11), hand_over("b"))).as_deref(),
        Some(RIGHT)
    );
    assert_eq!(of(&format!("{}{}", own.repeat(500), hand_over("b"))), None);
}

/// Nobody's mail takes so many hops: a chain that never ends is not searched to its end.
#[test]
fn hops_are_counted() {
    let own = "Received: from lb (lb.corp.example [10.2.3.4]) by store.corp.example; x\n";
    let chain = |n| own.repeat(n) + &hand_over("mx.corp.example");
    assert_eq!(of(&chain(super::MOST_HOPS - 1)).as_deref(), Some(RIGHT));
    assert_eq!(of(&chain(super::MOST_HOPS)), None);
}
