//! Sites of pages: forms, tokens within HTML, cookies, redirects.

use std::collections::BTreeSet;

use super::trial::{Seen, trial};

#[test]
fn idp_signs_up_a_new_visitor_in_each_iteration() {
    let Some(trial) = trial("04-idp-sign-up", "idp", "-u 2 -i 6") else {
        return;
    };
    assert!(trial.failures().is_empty(), "{:?}", trial.failures());
    let first = "GET /sign_up/enter_email";
    assert!(
        trial
            .of(first)
            .all(|seen| !seen.headers.contains_key("cookie"))
    );
    let (mut sessions, mut emails) = (BTreeSet::new(), BTreeSet::new());
    for seen in trial.of("POST /sign_up/enter_email") {
        assert!(sessions.insert(seen.header("cookie").to_owned()));
        let email = seen.field("user[email]");
        assert!(email.starts_with("test+") && email.len() == "test+@test.com".len() + 32);
        emails.insert(email);
    }
    assert_eq!((sessions.len(), emails.len()), (6, 6));
    let wanted = "POST /sign_up/enter_email
GET /sign_up/verify_email
GET /sign_up/email/confirm
GET /sign_up/enter_password
POST /sign_up/create_password
GET /authentication_methods_setup
POST /authentication_methods_setup
GET /phone_setup
POST /phone_setup
GET /login/two_factor/sms
POST /login/two_factor/sms
GET /auth_method_confirmation
POST /auth_method_confirmation/skip
GET /account";
    for session in &sessions {
        let own: Vec<&Seen> = trial
            .seen
            .iter()
            .filter(|seen| seen.header("cookie") == session)
            .collect();
        let lines: Vec<&str> = own.iter().map(|seen| seen.line.as_str()).collect();
        assert_eq!(lines.join("\n"), wanted);
        // The link of the page, in which `&amp;` stands for `&`, is sent as it is.
        assert_eq!(own[2].query, "confirmation_token=CT%2F1&x=1");
        assert_eq!(own[4].field("confirmation_token"), "CT/1");
        assert_eq!(own[10].field("code"), "654321");
        let phone = own[8].field("new_phone_form[phone]");
        assert!(phone.starts_with("202555") && phone.len() == 10, "{phone}");
        let tokens: BTreeSet<String> = own
            .iter()
            .filter(|seen| seen.line.starts_with("POST"))
            .map(|seen| seen.field("authenticity_token"))
            .collect();
        assert_eq!(
            tokens.len(),
            6,
            "each form has a token of its own: {tokens:?}"
        );
    }
}

#[test]
fn idp_counts_visitors_who_end_on_another_page() {
    let Some(trial) = trial("04-idp-sign-up", "idp lock", "-u 1 -i 2") else {
        return;
    };
    assert_eq!(trial.failures()["another page"], 2);
    let lines: Vec<&str> = trial.seen.iter().map(|seen| seen.line.as_str()).collect();
    let round = [
        "GET /sign_up/enter_email",
        "POST /sign_up/enter_email",
        "GET /locked",
    ];
    assert_eq!(lines, [round, round].concat());
}

#[test]
fn blog_sends_the_token_of_each_page_with_its_cookie() {
    let Some(trial) = trial("10-blog", "blog", "-u 1 -i 2") else {
        return;
    };
    assert!(trial.failures().is_empty(), "{:?}", trial.failures());
    let wanted = "GET /users/login/
POST /users/login/
GET /
POST /
GET /post_details/77
GET /post_details/77
POST /post_details/77
GET /post_edit/77
POST /post_edit/77
GET /post_delete/77
GET /users/logout";
    for round in trial.seen.chunks(11) {
        let lines: Vec<&str> = round.iter().map(|seen| seen.line.as_str()).collect();
        assert_eq!(lines.join("\n"), wanted);
        for seen in round.iter().filter(|seen| seen.line.starts_with("POST")) {
            let cookie = seen.header("cookie").strip_prefix("csrftoken=").unwrap();
            let token = cookie.split(';').next().unwrap();
            assert!(seen.body.contains(token), "{seen:?}");
        }
        let post = &round[3];
        for part in [
            "name=\"image\"; filename=\"\"",
            "sample title",
            "sample content",
        ] {
            assert!(post.body.contains(part), "{}", post.body);
        }
        assert!(post.header("cookie").ends_with("; sessionid=s1"));
        assert_eq!(round[6].field("content"), "sample comment");
        assert_eq!(round[8].field("title"), "updated title");
    }
}

#[test]
fn idp_knows_users_again_by_the_devices_of_others() {
    let Some(trial) = trial("19-idp-sign-in", "signin", "-u 2 -i 200 -e NUM_USERS=100") else {
        return;
    };
    assert!(trial.failures().is_empty(), "{:?}", trial.failures());
    let mut known = BTreeSet::new();
    let mut again = 0;
    for seen in trial.of("POST /") {
        if seen.line != "POST /" {
            continue;
        }
        let email = seen.field("user[email]");
        let device = seen.header("cookie").split("remember_device=").nth(1);
        match device.map(|rest| rest.split(';').next().unwrap()) {
            Some(device) => {
                assert_eq!(device, format!("dev-{email}"));
                assert!(known.contains(&email), "{email}");
                again += 1;
            }
            None => assert!(known.insert(email.clone()), "{email} is new"),
        }
    }
    assert_eq!(known.len() + again, 200);
    assert!((150..197).contains(&again), "{again} of 200");
    assert_eq!(trial.count("POST /login/two_factor/sms"), known.len());
    assert_eq!(trial.count("GET /logout"), 200);
}
