//! Shops, and a hotel.

use std::collections::BTreeSet;

use super::trial::{Seen, Trial, assert_share, trial};

#[test]
fn otel_demo_uses_a_user_and_a_product_in_all_requests_of_a_task() {
    let flagd = "-e FLAGD_HOST=127.0.0.1 -e FLAGD_OFREP_PORT={port}";
    let Some(trial) = trial("01-otel-demo", "otel", &format!("-u 4 -i 400 {flagd}")) else {
        return;
    };
    // One user in four is one of the website, with a session of its own.
    let (cf, website): (Vec<_>, Vec<_>) =
        (trial.seen.iter()).partition(|seen| seen.line.ends_with(".cfm"));
    let sessions: BTreeSet<&str> = website.iter().map(|seen| seen.header("baggage")).collect();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let session = sessions.first().unwrap();
    assert!(session.starts_with("session.id="), "{session}");
    assert!(session.ends_with(",synthetic_request=true"), "{session}");
    for seen in &cf {
        assert!(!seen.headers.contains_key("baggage"));
        let agent = seen.header("user-agent");
        assert_eq!(
            agent,
            "Locust Load Generator (converted from JMeter cfload.jmx)"
        );
    }
    assert_eq!(cf.len(), 300);
    for name in ["CF Email Quote", "CF Update Quote", "CF Remove Old Quotes"] {
        assert_share(name, trial.rows[name] as usize, (1.0 / 3.0, cf.len()));
    }
    assert!(trial.failures()["Remove old quotes failed"] > 0);

    assert_eq!(website[0].line, "GET /");
    let mut order: Option<(String, u32)> = None;
    let (mut orders, mut adds) = (BTreeSet::new(), BTreeSet::new());
    for pair in website.windows(2) {
        let (before, seen) = (pair[0], pair[1]);
        if seen.line == "POST /api/cart" {
            let cart = seen.json();
            assert_eq!(cart["item"]["productId"], before.last_segment());
            assert!(cart["item"]["quantity"].is_u64());
            let user = cart["userId"].as_str().unwrap().to_owned();
            order = match order {
                Some((last, n)) if last == user => Some((last, n + 1)),
                _ => Some((user, 1)),
            };
        } else if seen.line == "POST /api/checkout" {
            let person = seen.json();
            let (user, n) = order.clone().unwrap();
            assert_eq!(person["userId"], user.as_str());
            assert!(person["creditCard"]["creditCardCvv"].is_u64(), "{person}");
            assert!(orders.insert(user), "a user for each order");
            adds.insert(n);
        }
    }
    assert!(adds.is_subset(&BTreeSet::from([1, 2, 3, 4])), "{adds:?}");
    assert!(adds.len() > 2, "{adds:?}");
    // The flag says 2.
    let floods = trial.count("POST /ofrep/v1/evaluate/flags/loadGeneratorFloodHomepage");
    assert!(floods > 5);
    let indexes = trial.count("GET /") - 2 * floods - 1;
    assert_share("index", indexes, (1.0 / 29.0, 100));
    let browsed = trial.of("GET /api/products/").count() - trial.of("POST /api/cart").count();
    assert_share("browse product", browsed, (10.0 / 29.0, 100));
    assert!(trial.rows.contains_key("/api/products/0PUK6V6EV0"));
    let mut ads = trial.of("GET /api/data/");
    assert!(ads.all(|seen| seen.query.is_empty() || !seen.parameter("contextKeys").is_empty()));
}

/// The requests of one user, which has one connection.
fn tasks<'a>(trial: &'a Trial, first: &str) -> Vec<&'a [Seen]> {
    let starts: Vec<usize> = (0..trial.seen.len())
        .filter(|i| trial.seen[*i].line == first)
        .collect();
    let ends = starts.iter().skip(1).copied().chain([trial.seen.len()]);
    let ranges = starts.iter().zip(ends);
    ranges
        .map(|(start, end)| &trial.seen[*start..end])
        .collect()
}

#[test]
fn robot_shop_buys_two_products_that_are_in_stock() {
    let args = "-u 1 -i 60 -e ERROR=1 -e FAILURE_TILL_MINUTE=0";
    let Some(trial) = trial("06-robot-shop", "robot", args) else {
        return;
    };
    let login = trial.count("POST /api/user/login");
    let errors = trial.count("POST /api/payment/pay/partner-57");
    let loads = tasks(&trial, "GET /");
    assert_eq!(login + errors + loads.len(), 60);
    assert_share("load", loads.len(), (1.0 / 3.0, 60));
    let mut addresses = BTreeSet::new();
    for load in loads {
        let load: Vec<&Seen> = load
            .iter()
            .take_while(|seen| !seen.line.ends_with("/login") && !seen.line.ends_with("-57"))
            .collect();
        let address = load[0].header("x-forwarded-for");
        assert!(
            load.iter()
                .all(|seen| seen.header("x-forwarded-for") == address)
        );
        addresses.insert(address);
        let rated = load.iter().filter(|seen| seen.line.starts_with("PUT"));
        let mut lines: Vec<&Seen> = load.clone();
        for rate in rated {
            assert!(rate.line.starts_with("PUT /api/ratings/api/rate/SKU"));
        }
        lines.retain(|seen| !seen.line.starts_with("PUT"));
        let added: Vec<&str> = lines
            .iter()
            .filter_map(|seen| seen.line.strip_prefix("GET /api/catalogue/product/"))
            .collect();
        assert_eq!(added.len(), 2);
        assert!(
            added.iter().all(|sku| !["SKU0", "SKU3"].contains(sku)),
            "{added:?}"
        );
        let cart = lines
            .iter()
            .find(|seen| seen.line.starts_with("GET /api/cart/cart/"));
        let id = cart.unwrap().last_segment();
        let wanted = [
            "GET /".to_owned(),
            "GET /api/user/uniqueid".to_owned(),
            "GET /api/catalogue/categories".to_owned(),
            "GET /api/catalogue/products".to_owned(),
            format!("GET /api/catalogue/product/{}", added[0]),
            format!("GET /api/ratings/api/fetch/{}", added[0]),
            format!("GET /api/cart/add/{id}/{}/1", added[0]),
            format!("GET /api/catalogue/product/{}", added[1]),
            format!("GET /api/ratings/api/fetch/{}", added[1]),
            format!("GET /api/cart/add/{id}/{}/1", added[1]),
            format!("GET /api/cart/cart/{id}"),
        ];
        let lines: Vec<&str> = lines.iter().map(|seen| seen.line.as_str()).collect();
        assert_eq!(lines[..11], wanted);
        assert!(lines[11].starts_with(&format!("GET /api/cart/update/{id}/S")));
        // Outside of the window of failures, it is Switzerland.
        assert_eq!(
            lines[12..14],
            ["GET /api/shipping/codes", "GET /api/shipping/cities/ch"]
        );
        let confirmed = load[load.len() - 2].json();
        let location = confirmed["location"].as_str().unwrap();
        let cities = ["Switzerland Zürich", "Switzerland Biel \"Bienne\""];
        assert!(cities.contains(&location), "{location}");
        assert_eq!(confirmed["distance"], 12.5);
        let paid = load.last().unwrap();
        assert_eq!(paid.line, format!("POST /api/payment/pay/{id}"));
        assert_eq!(paid.json()["total"], 21.75);
    }
    assert!(addresses.len() > 2, "{addresses:?}");
}

#[test]
fn hotel_has_the_weights_and_values_that_depend_on_each_other() {
    let Some(trial) = trial("14-hotel-shape", "any_ok", "-u 4 -i 1000") else {
        return;
    };
    let rows = [
        ("search_hotel", 0.6),
        ("recommend", 0.39),
        ("reserve", 0.005),
        ("user_login", 0.005),
    ];
    for (name, share) in rows {
        assert_share(name, trial.rows[name] as usize, (share, 1000));
    }
    for seen in trial.of("GET /hotels") {
        let day = |name: &str| {
            seen.parameter(name)["2015-04-".len()..]
                .parse::<u32>()
                .unwrap()
        };
        let (from, to) = (day("inDate"), day("outDate"));
        assert!(
            (9..=23).contains(&from) && from < to && to <= 24,
            "{seen:?}"
        );
        assert_eq!(seen.parameter("inDate").len(), "2015-04-09".len());
        let latitude: f64 = seen.parameter("lat").parse().unwrap();
        assert!((37.78..38.27).contains(&latitude), "{seen:?}");
    }
    let with_users = trial
        .seen
        .iter()
        .filter(|seen| seen.query.contains("username"));
    for seen in with_users {
        let user = seen.parameter("username");
        let number = user.strip_prefix("Cornell_").unwrap();
        assert_eq!(seen.parameter("password"), number.repeat(10));
        assert_eq!(
            seen.line.starts_with("POST"),
            seen.parameter("customerName") == user
        );
    }
}

#[test]
fn online_boutique_pays_for_what_it_has_looked_at() {
    let Some(trial) = trial("15-online-boutique", "any_ok", "-u 1 -i 380") else {
        return;
    };
    assert_eq!(trial.seen[0].line, "GET /");
    let checkouts: Vec<&Seen> = trial.of("POST /cart/checkout").collect();
    assert_share("checkout", checkouts.len(), (1.0 / 19.0, 380));
    for (i, seen) in trial.seen.iter().enumerate() {
        if seen.line == "POST /cart" {
            assert_eq!(seen.field("product_id"), trial.seen[i - 1].last_segment());
            assert!((1..=10).contains(&seen.field("quantity").parse().unwrap()));
        }
    }
    let added = trial.count("POST /cart") - checkouts.len();
    assert_share("add to cart", added, (2.0 / 19.0, 380));
    let browsed = trial.of("GET /product/").count() - added - checkouts.len();
    assert_share("browse", browsed, (10.0 / 19.0, 380));
    let emails: BTreeSet<String> = checkouts.iter().map(|seen| seen.field("email")).collect();
    assert!(emails.len() > 5, "{emails:?}");
    for seen in checkouts {
        assert!(seen.field("email").contains('@'));
        let card = seen.field("credit_card_number");
        assert!(card.len() == 16 && card.starts_with('4'), "{card}");
        let year: u32 = seen.field("credit_card_expiration_year").parse().unwrap();
        assert!((2027..2300).contains(&year));
        assert_eq!(seen.field("credit_card_cvv").len(), 3);
    }
    assert_eq!(
        trial.rows["/cart"] as usize,
        trial.count("POST /cart") + trial.count("GET /cart")
    );
}

#[test]
fn image_viewers_ask_for_all_sizes_of_one_image() {
    let args = "-u 1 -i 3 -e LOCUST_IMG_DATASET=maps -e LOCUST_IMG_FORMAT=jp2";
    let Some(trial) = trial("18-iiif-images", "any_ok", args) else {
        return;
    };
    assert_eq!(trial.seen.len(), 3 * 41);
    for (n, image) in trial.seen.chunks(41).enumerate() {
        let start = format!("GET /iiif/maps/map-{}.jp2/", n + 1);
        let parts: Vec<(&str, &str)> = image
            .iter()
            .map(|seen| {
                let rest = seen.line.strip_prefix(&start).unwrap();
                let rest = rest.strip_suffix("/0/default.jpg").unwrap();
                rest.split_once('/').unwrap()
            })
            .collect();
        assert_eq!(parts[0], ("full", "!4096,4096"));
        assert!(
            parts[1..5]
                .iter()
                .all(|part| *part == ("full", "!1024,1024"))
        );
        assert!(
            parts[5..25]
                .iter()
                .all(|part| *part == ("full", "!128,128"))
        );
        for (i, (region, size)) in parts[25..].iter().enumerate() {
            let numbers: Vec<u32> = region.split(',').map(|n| n.parse().unwrap()).collect();
            assert_eq!((&numbers[2..], *size), (&[512, 512][..], "full"));
            let is_aligned = numbers[..2].iter().all(|n| n % 512 == 0);
            assert!(i < 8 || is_aligned, "{region}");
        }
    }
    assert_eq!(trial.rows["{derv_sz: 128}"], 60);
    assert_eq!(trial.rows["{derv_sz: tile}"], 24);
}

#[test]
fn sock_shop_registers_who_logs_in_and_looks_at_refused_orders() {
    let Some(trial) = trial("02-sock-shop", "socks", "-u 12 -i 1200") else {
        return;
    };
    // One user for each kind of API tasks, four of the website, four that provoke errors.
    let errors = trial
        .of("GET /login")
        .filter(|seen| seen.header("authorization") == "Basic d3JvbmdfdXNlcjpub19wYXNz");
    let refused = trial.of("POST /orders").filter(|seen| seen.body == "{}");
    assert_eq!(errors.count() + refused.count(), 400);
    let index = trial.count("GET /");
    assert_share("index", index, (20.0 / 50.0, 400));
    // Nobody whom the service lists is registered; the users of a kind of tasks share a profile.
    let registered: Vec<String> = trial
        .of("POST /register")
        .map(|seen| {
            let account = seen.json();
            assert!(account["email"].as_str().unwrap().contains('@'));
            assert!(account["first_name"].is_string() && account["last_name"].is_string());
            account["username"].as_str().unwrap().to_owned()
        })
        .collect();
    let mut counts = std::collections::BTreeMap::new();
    registered
        .iter()
        .for_each(|name| *counts.entry(name).or_insert(0) += 1);
    let shared = counts.values().filter(|count| **count > 20).count();
    assert_eq!(shared, 2, "{counts:?}");
    for seen in trial.of("GET /login") {
        assert!(seen.header("authorization").starts_with("Basic "));
    }
    let added: Vec<serde_json::Value> = trial.of("POST /cart").map(Seen::json).collect();
    assert!(added.iter().all(|item| {
        item["quantity"]
            .as_u64()
            .is_some_and(|n| (1..=100).contains(&n))
    }));
    let images = trial.of("GET /catalogue/images/s").count();
    assert_share("images", images, (1.0 / 3.0, 100));
    let cards = trial.of("POST /cards").map(Seen::json);
    for card in cards {
        assert_eq!(card["expires"].as_str().unwrap().len(), "01/30".len());
        assert_eq!(card["ccv"].as_str().unwrap().len(), 3);
    }
    let tags = trial
        .of("GET /category.html")
        .filter(|seen| seen.query.contains("tags="));
    let numbers: BTreeSet<usize> = tags
        .map(|seen| {
            seen.query["tags=".len()..]
                .split('&')
                .filter(|tag| !tag.is_empty())
                .count()
        })
        .collect();
    // Of four tags, none to two.
    assert_eq!(numbers, BTreeSet::from([0, 1, 2]));
    // Two orders of users that are logged in: each is refused, and its cart costs 120.
    assert!(!trial.failures().contains_key("order refused"));
    assert!(trial.failures().is_empty(), "{:?}", trial.failures());
}
