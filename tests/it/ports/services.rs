//! Services behind programs: models, photos, GraphQL, webhooks.

use std::collections::{BTreeMap, BTreeSet};

use super::trial::{Seen, assert_share, trial};

#[test]
fn langflow_names_its_rows_after_the_kind_of_message() {
    let args = "-u 21 -i 630 -e FLOW_ID=f1 -e API_KEY=k1";
    let Some(trial) = trial("05-langflow", "langflow", args) else {
        return;
    };
    // Seven classes of three users; each begins with a check.
    assert_eq!(trial.count("GET /health"), 21);
    let row = |kind: &str| {
        let name = format!("/api/v1/run/f1?stream=false [{kind}]");
        trial.rows.get(&name).copied().unwrap_or(0) as usize
    };
    let of_class = 3 * 30;
    assert_eq!(row("simple-rapid"), of_class);
    assert_eq!(row("medium-steady"), of_class);
    assert_eq!(row("medium-scale"), of_class);
    assert_eq!(row("minimal-burst9"), of_class);
    assert_eq!(row("simple-tail") + row("large-tail-heavy"), of_class);
    assert_share("tail", row("large-tail-heavy"), (0.3, of_class));
    let messages = 6 * 30;
    assert_share("simple", row("simple"), (0.8 * 0.4, messages));
    assert_share("realistic", row("realistic"), (0.8 * 0.25, messages));
    assert_share("complex", row("complex"), (0.05 + 0.8 * 0.04, messages));
    let bursts = row("minimal-burst0") - of_class;
    assert_eq!(row("minimal-burst2") - of_class, bursts);
    assert_share("burst", bursts, (0.15, messages));

    for seen in trial.of("POST /api/v1/run/f1") {
        assert_eq!(seen.query, "stream=false");
        assert_eq!(seen.header("x-api-key"), "k1");
        assert_eq!(seen.json()["tweaks"], serde_json::json!({}));
    }
    let inputs: BTreeSet<String> = trial
        .of("POST")
        .map(|seen| seen.json()["input_value"].as_str().unwrap().to_owned())
        .collect();
    assert!(inputs.contains("Hi") && inputs.contains("Can you help me?"));
    assert!(inputs.iter().any(|input| input.contains(&"x".repeat(500))));
    let failures = trial.failures();
    let known = ["Backpressure/capacity", "Flow execution failed"];
    assert!(
        failures.keys().all(|name| known.contains(&name.as_str())),
        "{failures:?}"
    );
}

#[test]
fn support_chat_waits_for_each_answer_before_the_next_message() {
    let Some(trial) = trial("08-support-chat", "chat", "-u 2 -i 4") else {
        return;
    };
    let registered: BTreeSet<String> = trial
        .of("POST /api/auth/register")
        .map(|seen| seen.json()["email"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(registered.len(), 2, "{registered:?}");
    for seen in trial.of("POST /api/auth/register") {
        let account = seen.json();
        let nickname = account["nickname"].as_str().unwrap();
        assert_eq!(nickname.len(), "locust_".len() + 16);
        assert!(!account["email"].as_str().unwrap().starts_with(nickname));
    }
    let mut keys = BTreeSet::new();
    for conversation in 1..=4 {
        let path = format!("/api/conversations/{conversation}");
        let of_it = trial.seen.iter().filter(|seen| {
            let rest = seen.line.split_once(&path).map(|(_, rest)| rest);
            matches!(rest, Some("" | "/messages"))
        });
        let lines: Vec<String> = of_it
            .map(|seen| {
                assert!(seen.header("authorization").starts_with("Bearer tk-"));
                match seen.line.starts_with("POST") {
                    true => {
                        assert!(keys.insert(seen.header("idempotency-key").to_owned()));
                        seen.json()["content"].as_str().unwrap().to_owned()
                    }
                    false => seen.line.replace(&path, ""),
                }
            })
            .collect();
        // Twice it is queued, then open, and the answer comes with the second look.
        let wait = [
            "GET ",
            "GET ",
            "GET ",
            "GET /messages",
            "GET ",
            "GET /messages",
        ];
        let wanted: Vec<String> = (1..=5)
            .flat_map(|n| {
                let sent = format!("Load test message #{n}");
                [sent].into_iter().chain(wait.map(str::to_owned))
            })
            .collect();
        assert_eq!(lines, wanted);
    }
}

#[test]
fn support_chat_goes_no_further_if_a_person_takes_over() {
    let Some(trial) = trial("08-support-chat", "chat escalate", "-u 1 -i 3") else {
        return;
    };
    let lines: Vec<&str> = trial.seen[2..6]
        .iter()
        .map(|seen| seen.line.as_str())
        .collect();
    let path = "/api/conversations/1";
    let wanted = [
        "POST /api/conversations/".to_owned(),
        format!("POST {path}/messages"),
        format!("GET {path}"),
        format!("GET {path}"),
    ];
    assert_eq!(lines, wanted);
    assert_eq!(trial.seen.len(), 2 + 3 * 4);
    assert!(trial.failures().is_empty());
}

#[test]
fn support_chat_counts_races_that_nobody_or_both_won() {
    let both = trial(
        "08-support-chat",
        "chat",
        "-u 1 -i 40 --user-classes message%20race%20user",
    );
    let one = trial(
        "08-support-chat",
        "chat race",
        "-u 1 -i 40 --user-classes message%20race%20user",
    );
    let (Some(both), Some(one)) = (both, one) else {
        return;
    };
    let races = |seen: &[Seen]| {
        let contents = seen
            .iter()
            .filter(|seen| seen.body.contains("Race message"));
        contents.count()
    };
    assert!(races(&both.seen) > 2);
    let failed = both.failures()["unexpected race result"] as usize;
    assert_eq!(failed, races(&both.seen) / 2);
    assert!(races(&one.seen) > 2);
    assert!(!one.failures().contains_key("unexpected race result"));
}

#[test]
fn agent_gives_its_session_to_the_model_and_reads_its_events() {
    let Some(trial) = trial("11-agent-sse", "sse", "-u 4 -i 12 -e _ID_TOKEN=t1") else {
        return;
    };
    let sessions = trial.of("POST /apps/app/users/");
    let mut users = BTreeSet::new();
    for seen in sessions {
        assert_eq!(seen.header("authorization"), "Bearer t1");
        let user = seen.line.split('/').nth(4).unwrap();
        assert!(users.insert(user.to_owned()), "a user for each chat");
    }
    for seen in trial.of("POST /run_sse") {
        let message = seen.json();
        assert!(users.remove(message["user_id"].as_str().unwrap()));
        assert!(message["session_id"].as_str().unwrap().starts_with("sess-"));
        assert_eq!(message["streaming"], true);
    }
    assert!(users.is_empty());
    let failures = trial.failures();
    // Every third response has an error, every fourth says so; the twelfth has both.
    let wanted = [("Error in response", 4), ("rate_limited", 2)];
    let wanted = wanted.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(failures, BTreeMap::from(wanted));
}

#[test]
fn agent_sends_no_header_without_a_token() {
    let Some(trial) = trial("11-agent-sse", "sse", "-u 1 -i 1") else {
        return;
    };
    assert!(
        trial
            .seen
            .iter()
            .all(|seen| !seen.headers.contains_key("authorization"))
    );
}

#[test]
fn photos_go_to_the_address_that_the_service_gives() {
    let Some(trial) = trial("07-photos", "photos", "-u 2 -i 60") else {
        return;
    };
    let mut open = BTreeSet::new();
    for seen in &trial.seen {
        if seen.line == "POST /photos" {
            let photo = seen.json();
            let slug = photo["photoSlug"].as_str().unwrap();
            assert!(slug.starts_with(photo["modelSlug"].as_str().unwrap()));
            assert!(open.insert(slug.to_owned()));
        } else if seen.line.starts_with("PUT /upload/") {
            assert!(open.remove(seen.last_segment()), "{seen:?}");
            assert_eq!(seen.query, "sig=a%2Bb");
            assert_eq!(seen.header("content-type"), "image/jpg");
            assert_eq!(seen.body, "not a photo");
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let models: Vec<serde_json::Value> = trial.of("POST /models").map(Seen::json).collect();
    assert!(models.len() > 1);
    for model in &models {
        let names = ["givenName", "familyName"].map(|key| model[key].as_str().unwrap());
        let start = names.join("-").to_lowercase();
        let slug = model["modelSlug"].as_str().unwrap();
        assert!(
            slug.starts_with(&start) && slug.len() == start.len() + 6,
            "{slug}"
        );
        assert!(model["height"].is_u64());
        let of_model = trial.of("POST /photos");
        let of_model = of_model.filter(|seen| seen.json()["modelSlug"] == slug);
        assert_eq!(of_model.count(), 5);
        assert_eq!(trial.count(&format!("GET /models/{slug}")), 1);
    }
    // One of the two users is the admin, with pages of ten photos.
    let pages = trial
        .of("GET /photos")
        .filter(|seen| seen.parameter("pageSize") == "20");
    assert!(pages.count() > 30);
    let changed = trial.of("PUT /models/").map(Seen::json);
    assert!(
        changed
            .map(|model| model["version"].clone())
            .all(|version| version == 1 || version == 3)
    );
}

#[test]
fn graphql_pets_looks_up_a_pet_of_this_run() {
    for (run, id) in [("RUN", 2), ("OTHER", 1)] {
        let args = format!("-u 2 -i 200 -e LOAD_RUN_ID={run}");
        let Some(trial) = trial("12-graphql-pets", "pets", &args) else {
            return;
        };
        let mut requests = BTreeSet::new();
        let mut operations: BTreeMap<String, usize> = BTreeMap::new();
        for seen in &trial.seen {
            assert!(requests.insert(seen.header("x-request-id").to_owned()));
            let sent = seen.json();
            let operation = sent["operationName"].as_str().unwrap();
            *operations.entry(operation.to_owned()).or_default() += 1;
            match operation {
                "InventoryByPet" => assert_eq!(sent["variables"]["pet_id"], id),
                "CreatePetOp" => {
                    let name = sent["variables"]["name"].as_str().unwrap();
                    assert!(name.starts_with(&format!("load_{run}_")), "{name}");
                    assert_eq!(sent["variables"]["type"], "dog");
                }
                _ => {}
            }
        }
        assert_share("pets", operations["ListPets"], (0.35, 200));
        assert_share("create", operations["CreatePetOp"], (0.3, 200));
        assert_share("introspect", operations["IntrospectMe"] - 2, (0.15, 200));
        assert_eq!(operations["InventoryByPet"], operations["ListPetsForInv"]);
        assert_share("inventory", operations["InventoryByPet"], (0.2, 200));
        let failed = trial.failures()["GraphQL errors"] as usize;
        assert_eq!(failed, operations["CreatePetOp"] / 3);
    }
}

#[test]
fn webhooks_are_signed_as_the_server_checks() {
    let args = "-u 2 -i 20 -e WHATSAPP_WEBHOOK_SECRET=";
    let Some(right) = trial("13-hmac-webhook", "hook", &format!("{args}s3cret")) else {
        return;
    };
    assert_eq!(right.seen.len(), 20);
    assert!(right.failures().is_empty());
    assert_eq!(right.seen[0].header("content-type"), "application/json");
    let wrong = trial("13-hmac-webhook", "hook", &format!("{args}other")).unwrap();
    assert_eq!(wrong.failures()["http_4xx"], 20);
}
