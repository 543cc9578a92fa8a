//! Users, and the tokens that show who they are.
//!
//! Not here: the responses (`responses`).

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// What tokens start with.
const PREFIX: &str = "user-";
/// The longest name of a user; bytes.
const MAX_NAME: usize = 100;

/// The token of a user who logs in with the password `secret-NAME`; `None` for any other.
pub(super) fn token(login: &Map<String, Value>) -> Option<String> {
    let name = login.get("username")?.as_str()?;
    let password = login.get("password")?.as_str()?;
    let is_right = password.strip_prefix("secret-") == Some(name);
    if !is_right || name.is_empty() || name.len() > MAX_NAME {
        return None;
    }
    // It holds the name, so that nothing has to be stored.
    let mut token = PREFIX.to_owned();
    for byte in name.bytes() {
        let _ = write!(token, "{byte:02x}");
    }
    Some(token)
}

/// The user that an `Authorization` header names.
pub(super) fn user(authorization: Option<&str>) -> Option<String> {
    let (scheme, token) = authorization?.split_once(' ')?;
    let digits = token.trim().strip_prefix(PREFIX)?;
    if !scheme.eq_ignore_ascii_case("bearer") || digits.is_empty() || digits.len() > 2 * MAX_NAME {
        return None;
    }
    let digits: Vec<char> = digits.chars().collect();
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some((high.to_digit(16)? * 16 + low.to_digit(16)?) as u8),
        _ => None,
    });
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_the_user_who_logged_in() {
        let login = |name: &str, password: &str| {
            let login = serde_json::json!({"username": name, "password": password});
            token(login.as_object().unwrap())
        };
        let of_ada = login("ada", "secret-ada").unwrap();
        assert_eq!(
            user(Some(&format!("Bearer {of_ada}"))).as_deref(),
            Some("ada")
        );
        let of_eve = login("ève", "secret-ève").unwrap();
        assert_eq!(
            user(Some(&format!("bearer {of_eve}"))).as_deref(),
            Some("ève")
        );
        for (name, password) in [("ada", "secret-bob"), ("ada", ""), ("", "secret-")] {
            assert_eq!(login(name, password), None);
        }
        assert_eq!(token(&Map::new()), None);
        for bad in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer user-"),
            Some("Bearer user-6"),
            Some("Bearer user-zz"),
            Some("Bearer user-ff"),
            Some("Bearer dev-0000"),
            Some("Basic user-616461"),
        ] {
            assert_eq!(user(bad), None, "{bad:?}");
        }
    }
}
