//! Too much of one thing: one message, one person, one feed, a number that claims to be many.

use super::world::*;
use crate::support::letters::Letter;
use arfd::clock::Clock;
use arfd::domain::standing::Standing;

#[tokio::test]
async fn one_message_reported_by_a_thousand() {
    let w = World::new().await;
    let by_filter: Vec<_> = (0..1_000)
        .map(|n| {
            let mut letter = Letter::new(n, VICTIM, VICTIM_USER);
            letter.message_id = "newsletter@customer2.example".into();
            letter.by_filter(FILTER)
        })
        .collect();
    let filed = w.send_all(&from_filter(), &by_filter).await;
    assert_eq!(
        count(&filed, Standing::Counted),
        1_000,
        "each is a complaint"
    );
    for n in 1_000..1_040 {
        let mut letter = Letter::new(n, VICTIM, VICTIM_USER);
        letter.message_id = "newsletter@customer2.example".into();
        assert_eq!(w.by_jmrp(&letter).await.standing, Standing::Counted);
    }
    w.nobody("one message").await;
}

#[tokio::test]
async fn forged_by_one_proven_feed_over_its_cap() {
    let w = World::new().await;
    let partner = arrival("192.0.2.130", "partner.example", "", &[PARTNER]);
    for hour in 0..5 {
        let forged = letters(hour * 200, 200, VICTIM, VICTIM_USER);
        let forged: Vec<_> = forged.iter().map(|l| l.by_filter(PARTNER)).collect();
        let filed = w.send_all(&partner, &forged).await;
        assert_eq!(count(&filed, Standing::Counted), 3, "hour {hour}");
        assert_eq!(count(&filed, Standing::OverCap), 197, "hour {hour}");
        let over = filed
            .iter()
            .find(|one| one.standing == Standing::OverCap)
            .unwrap();
        let row = w.row(over).await;
        assert_eq!(
            (
                row.feed.as_deref(),
                &row.standing[..],
                row.attribution["identity"]["value"].as_str()
            ),
            (Some("partner"), "over_cap", Some(VICTIM))
        );
        w.pass(3_600);
    }
    w.nobody("over the cap").await;
}

/// The cap over all identities: a feed gone mad hits many customers, each a little.
#[tokio::test]
async fn a_feed_gone_mad() {
    let w = World::new().await;
    let partner = arrival("192.0.2.130", "partner.example", "", &[PARTNER]);
    let forged: Vec<_> = (0..1_000)
        .map(|n| {
            let domain = format!("customer{}.example", n % 334);
            let mailbox = format!("shop@{domain}");
            Letter::new(n, &mailbox, &format!("server@{domain}")).by_filter(PARTNER)
        })
        .collect();
    let filed = w.send_all(&partner, &forged).await;
    assert_eq!(count(&filed, Standing::Counted), 200);
    assert_eq!(count(&filed, Standing::OverCap), 800);
    w.nobody("gone mad").await;
}

/// May only cause a notice, and tries to lock: alone, with its weight, and with a trifle of a feed that may.
#[tokio::test]
async fn a_feed_that_may_only_notify() {
    let w = World::new().await;
    let bureau = arrival("192.0.2.145", "bureau.example", "", &[NOTIFY]);
    let reports = letters(0, 1_000, VICTIM, VICTIM_USER);
    let reports: Vec<_> = reports.iter().map(|l| l.by_filter(NOTIFY)).collect();
    let filed = w.send_all(&bureau, &reports).await;
    assert_eq!(count(&filed, Standing::Counted), 1_000);
    let trifle = letters(2_000, 14, VICTIM, VICTIM_USER);
    let trifle: Vec<_> = trifle.iter().map(|l| l.by_filter(FILTER)).collect();
    let filed = w.send_all(&from_filter(), &trifle).await;
    assert_eq!(count(&filed, Standing::Counted), 14);
    let orders = w.store.orders(9).await.unwrap();
    assert!(orders.is_empty(), "14 of a weight of 30: {orders:?}");
}

#[tokio::test]
async fn incidents_that_claim_millions() {
    let w = World::with(
        "[[feeds]]\nname = \"generous\"\nrecipients = [\"abuse@hoster.example\"]\nnetworks = [\"192.0.2.176/28\"]\n\
         weight = 10\nmax_incidents = 1000\n",
    )
    .await;
    let claims = [
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "-1",
        "1e9",
        "0x7fffffff",
        "１０００",
    ];
    for (n, claim) in claims.into_iter().enumerate() {
        let mut letter = Letter::new(n, VICTIM, VICTIM_USER);
        letter.fields = format!("Incidents: {claim}\r\n");
        assert_eq!(
            w.by_filter(&letter).await.standing,
            Standing::Counted,
            "{claim}"
        );
        letter.n += 100;
        letter.message_id += "x";
        assert_eq!(
            w.by_jmrp(&letter).await.standing,
            Standing::Counted,
            "{claim}"
        );
        if n >= 1 {
            continue;
        }
        // Believed up to a thousand: still one message of one complainant.
        letter.message_id += "y";
        let generous = arrival("192.0.2.177", "g.example", "", &[ABUSE]);
        let filed = w.send(generous, &letter.by_filter(ABUSE)).await;
        assert_eq!(filed.standing, Standing::Counted);
        let rows = w.store.reports(1).await.unwrap();
        assert_eq!(
            rows[0].reading["report"]["incidents"], 4_294_967_295_u32,
            "as it was claimed"
        );
        w.nobody("one report").await;
        w.pass(2 * 86_400);
    }
    // Six weigh one each at the filter and ten each at the loop; the number adds nothing. Two feeds, six messages and
    // six people are what the rule for complaints asks, so these are told by their weight alone.
    let crossed = w.store.incidents(9).await.unwrap();
    for incident in crossed {
        let tally = &incident.explanation["crossing"]["tally"];
        let evidence = tally["evidence"].as_array().unwrap().len() as u64;
        assert!(
            tally["weight"].as_u64().unwrap() <= evidence * 10,
            "{tally}"
        );
    }
}

#[tokio::test]
async fn huge_lists_of_recipients() {
    let w = World::new().await;
    for n in 0..9 {
        let mut letter = Letter::new(n, VICTIM, VICTIM_USER);
        let more: String = (0..5_000)
            .map(|i| format!("Original-Rcpt-To: <r{i}.{n}@x.example>\r\n"))
            .collect();
        letter.fields = more;
        let filed = w.by_yahoo(&letter).await;
        assert_eq!(filed.standing, Standing::Counted);
        let row = w.row(&filed).await;
        let kept = row.reading["report"]["original_rcpt_to"]
            .as_array()
            .unwrap()
            .len();
        assert!(kept <= 1_000, "{kept} are kept");
    }
    w.nobody("nine messages are nine, whoever they went to")
        .await;
}

/// One person who signed up for a customer's newsletter under many spellings of one address, and presses "spam" on
/// every issue.
#[tokio::test]
async fn one_person_of_many_spellings() {
    let w = World::new().await;
    let spellings: [fn(usize) -> String; 4] = [
        |n| format!("kim+{n}@gmail.com"),
        |n| format!("{}kim@googlemail.com", ".".repeat(n % 7)).replace(".kim", "k.im"),
        |n| ["KIM@gmail.com", "Kim@gmail.com", "k.i.m@gmail.com."][n % 3].to_owned(),
        |n| format!("ki.m+news+{n}@gmail.com"),
    ];
    for n in 0..60 {
        let mut letter = Letter::new(n, VICTIM, VICTIM_USER);
        letter.to = spellings[n % 4](n);
        assert_eq!(w.by_filter(&letter).await.standing, Standing::Counted);
        let mut letter = Letter::new(100 + n, VICTIM, VICTIM_USER);
        letter.to = spellings[n % 4](n);
        assert_eq!(w.by_jmrp(&letter).await.standing, Standing::Counted);
    }
    let one = Letter::new(300, VICTIM, VICTIM_USER);
    for n in 0..20 {
        let mut letter = one.clone();
        letter.n += n;
        letter.to = format!("kim-{n}@yahoo.com");
        w.by_yahoo(&letter).await;
    }
    w.nobody("two persons").await;
}

/// What never counts does not count whatever it weighs elsewhere.
#[tokio::test]
async fn the_opposite_of_a_complaint() {
    let w = World::new().await;
    for (kind, want) in [
        ("not-spam", Standing::NeverCounts),
        ("auth-failure", Standing::NeverCounts),
        ("dmarc", Standing::NeverCounts),
        ("other", Standing::Weightless),
        ("abuse; x=y", Standing::Weightless),
        ("made-up", Standing::Weightless),
    ] {
        let reports: Vec<_> = letters(0, 60, VICTIM, VICTIM_USER)
            .into_iter()
            .map(|letter| Letter { kind, ..letter }.by_filter(FILTER))
            .collect();
        let filed = w.send_all(&from_filter(), &reports).await;
        assert_eq!(count(&filed, want), 60, "{kind}");
    }
    w.nobody("no complaint").await;
}

/// Times in a report are claims; what counts is when it came.
#[tokio::test]
async fn dates_from_other_times() {
    let w = World::new().await;
    let dates = [
        "Thu, 01 Jan 1970 00:00:00 +0000",
        "Fri, 31 Dec 9999 23:59:59 +0000",
        "Tue, 03 Mar 2026 25:61:61 +9999",
    ];
    for n in 0..60 {
        let mut letter = Letter::new(n, VICTIM, VICTIM_USER);
        letter.fields = format!("Received-Date: {}\r\n", dates[n % 3]);
        let report = String::from_utf8(letter.by_filter(FILTER)).unwrap();
        let report = report.replace("Tue, 03 Mar 2026 09:12", "Tue, 03 Mar 2099 09:12");
        let filed = w.send(from_filter(), report.as_bytes()).await;
        assert_eq!(filed.standing, Standing::Counted);
        assert_eq!(
            w.row(&filed).await.received_at.as_second(),
            w.clock.now().as_second()
        );
        // One every three hours: never more than one in two hours, nor two feeds.
        w.pass(3 * 3_600);
    }
    w.nobody("sixty in a week").await;
}
