//! Services with accounts: forms, tokens, options of the command line.

use std::collections::BTreeSet;

use super::trial::{assert_share, trial};

#[test]
fn iaso_uses_one_id_in_the_record_and_the_name_of_its_file() {
    let options = "-v username=ann -e IASO_PASSWORD=p4ss -v form_id=3 -v max_instances=4";
    let Some(trial) = trial("03-iaso", "iaso", &format!("-u 2 -i 60 {options}")) else {
        return;
    };
    let logins: Vec<_> = trial.of("POST /api/token/").collect();
    assert_eq!(logins.len(), 2);
    let wanted = serde_json::json!({"username": "ann", "password": "p4ss"});
    assert!(logins.iter().all(|seen| seen.json() == wanted));
    let others = trial
        .seen
        .iter()
        .filter(|seen| !seen.line.ends_with("/token/"));
    for seen in others {
        assert_eq!(seen.header("authorization"), "Bearer jwt-ann");
    }
    let (apps, uploads, browses) = (
        trial.count("GET /api/apps/com.bluesquarehub.iaso/"),
        trial.count("POST /api/mobile/orgunits/"),
        trial.rows["/api/v3/orgunits/ [plain list]"] as usize,
    );
    assert_eq!(apps + uploads + browses, 60);
    assert_share("download", apps, (1.0 / 13.0, 60));
    assert_share("upload", uploads, (9.0 / 13.0, 60));
    // The org units have two pages, the entities one.
    assert_eq!(trial.count("GET /api/mobile/orgunits/"), 2 * apps);
    assert_eq!(trial.count("GET /api/mobile/entities/"), apps);
    let unit = trial.of("POST /api/mobile/orgunits/").next().unwrap();
    assert_eq!(
        unit.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(unit.json()[0]["org_unit_type_id"], 1);

    let mut ids = BTreeSet::new();
    let instances: Vec<_> = trial.of("POST /api/instances/").collect();
    for seen in &instances {
        let instance = &seen.json()[0];
        assert_eq!(instance["formId"], 3);
        let id = instance["id"]
            .as_str()
            .unwrap()
            .strip_prefix("fake_")
            .unwrap()
            .to_owned();
        assert_eq!(instance["file"], format!("{id}.xml"));
        assert!(ids.insert(id));
    }
    let per_upload = instances.len() as f64 / uploads as f64;
    assert!((1.5..3.5).contains(&per_upload), "{per_upload} of 1 to 4");
    for seen in trial.of("POST /sync/form_upload/") {
        assert_eq!(seen.header("x-openrosa-version"), "1.0");
        let name = seen.body.split("filename=\"").nth(1).unwrap();
        let name = name.split(".xml\"").next().unwrap();
        assert!(ids.remove(name), "{name}");
        assert!(seen.body.contains("<data id=\"x\">"));
    }
    assert!(ids.is_empty());
}

#[test]
fn iaso_goes_without_a_login_if_there_are_no_credentials() {
    let Some(trial) = trial("03-iaso", "iaso", "-u 1 -i 2") else {
        return;
    };
    assert_eq!(trial.count("POST /api/token/"), 0);
    assert!(
        trial
            .seen
            .iter()
            .all(|seen| !seen.headers.contains_key("authorization"))
    );
}

#[test]
fn notifications_have_the_template_of_their_kind() {
    let ids = [
        "EMAIL",
        "EMAIL_WITH_ATTACHMENT",
        "EMAIL_WITH_LINK",
        "BULK_EMAIL",
        "SMS",
    ];
    let ids = ids.map(|kind| format!("-e PERF_TEST_{kind}_TEMPLATE_ID={kind}"));
    let args = format!("-u 4 -i 440 -e PERF_TEST_AUTH_HEADER=key {}", ids.join(" "));
    let Some(trial) = trial("17-notifications", "any_ok", &args) else {
        return;
    };
    assert!(
        trial
            .seen
            .iter()
            .all(|seen| seen.header("authorization") == "key")
    );
    let of = |template: &str| -> Vec<serde_json::Value> {
        let bodies = trial.seen.iter().map(super::trial::Seen::json);
        bodies
            .filter(|body| body["template_id"] == template)
            .collect()
    };
    for (template, weight) in [("EMAIL", 16.0), ("SMS", 16.0), ("BULK_EMAIL", 8.0)] {
        assert_share(template, of(template).len(), (weight / 44.0, 440));
    }
    let attached = &of("EMAIL_WITH_ATTACHMENT")[0];
    let file = &attached["personalisation"]["attached_file"];
    assert_eq!(file["sending_method"], "attach");
    assert_eq!(file["filename"], "attached_file.txt");
    let linked = &of("EMAIL_WITH_LINK")[0];
    assert_eq!(
        linked["personalisation"]["application_file"]["sending_method"],
        "link"
    );
    assert_eq!(of("EMAIL")[0]["personalisation"], serde_json::json!({}));
    let csv = of("BULK_EMAIL")[0]["csv"].as_str().unwrap().to_owned();
    let to = "success@simulator.amazonses.com";
    assert_eq!(
        csv,
        format!("email address,application_file\r\n{to},var0\r\n{to},var1\r\n")
    );
    let emails = trial.rows["/v2/notifications/email"];
    assert_eq!(emails as usize, trial.count("POST /v2/notifications/email"));
}

#[test]
fn bank_signs_up_once_for_the_run_and_once_for_each_user() {
    let Some(trial) = trial("16-bank-of-anthos", "any_ok", "-u 2 -i 6") else {
        return;
    };
    let names: Vec<String> = trial
        .of("POST /signup")
        .map(|seen| {
            assert_eq!(seen.field("firstname"), seen.field("username"));
            assert_eq!(seen.field("password-repeat"), "password");
            seen.field("username")
        })
        .collect();
    assert_eq!(names.len(), 3);
    assert_eq!(names[0], "user");
    assert!(names[1] != names[2] && names[1].len() == 36, "{names:?}");
    for name in &names[1..] {
        let logins = trial.of("POST /login");
        assert_eq!(
            logins
                .filter(|seen| seen.field("username") == *name)
                .count(),
            3
        );
    }
    for line in ["POST /logout", "GET /login", "GET /signup"] {
        assert_eq!(trial.count(line), 6);
    }
    // What the setup sends is in no row.
    assert_eq!(trial.rows["/signup"], 2 + 6);
}

#[test]
fn booking_fights_for_the_event_of_the_setup_and_shares_all_others() {
    let Some(trial) = trial("09-booking", "booking", "-u 8 -i 800") else {
        return;
    };
    let setup: Vec<&str> = trial.seen[..3]
        .iter()
        .map(|seen| seen.line.as_str())
        .collect();
    let wanted = ["register", "login"].map(|path| format!("POST /api/v1/auth/{path}"));
    assert_eq!(setup[..2], wanted);
    let first = trial.seen[2].json();
    assert_eq!(
        (setup[2], &first["seat_count"]),
        ("POST /api/v1/events/", &10.into())
    );
    assert_eq!(
        first["date"].as_str().unwrap().len(),
        "2026-12-01T00:00:00Z".len()
    );
    let bookings: Vec<_> = trial
        .of("POST /api/v1/bookings/")
        .filter(|seen| seen.body != "not json at all")
        .map(|seen| (seen, seen.json()))
        .collect();
    let of = |id: u64| {
        bookings
            .iter()
            .filter(move |(_, booking)| booking["event_id"] == id)
    };
    // The first event has the number 10; two users of eight book only it.
    assert!(of(10).count() >= 200);
    assert!(of(10).all(|(seen, _)| seen.header("authorization").starts_with("Bearer tk-load_")));
    assert_share("invalid event", of(999_999).count(), (1.0 / 6.0, 200));
    let missing = of(1).filter(|(seen, _)| !seen.headers.contains_key("authorization"));
    assert_share("missing auth", missing.count(), (1.0 / 6.0, 200));
    // What one user has seen or made, others look at.
    let looked: BTreeSet<&str> = trial
        .of("GET /api/v1/events/")
        .map(|seen| seen.last_segment())
        .collect();
    assert!(looked.contains("5") && looked.contains("6"), "{looked:?}");
    assert!(looked.contains("11"), "{looked:?}");
    let emails: BTreeSet<String> = trial
        .of("POST /api/v1/auth/register")
        .map(|seen| seen.json()["email"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(emails.len(), 1 + 6);
    let known = ["http_4xx"];
    assert!(
        trial
            .failures()
            .keys()
            .all(|name| known.contains(&name.as_str()))
    );
}
