//! Made-up names, addresses and the like: `fake.name`, under the names that Faker for Python has for them.
//!
//! Here: which there are. Not here: where their words come from (the crate `fake`).

use std::sync::Arc;

use fake::Fake as _;
use fake::faker::address::en::{
    BuildingNumber, CityName, CountryCode, CountryName, PostCode, StateAbbr, StateName, StreetName,
};
use fake::faker::barcode::en::Isbn13;
use fake::faker::company::en::{CatchPhrase, CompanyName};
use fake::faker::creditcard::en::CreditCardNumber;
use fake::faker::currency::en::{CurrencyCode, CurrencyName};
use fake::faker::filesystem::en::{FileName, MimeType};
use fake::faker::internet::en::{IPv4, IPv6, MACAddress, Password, SafeEmail, UserAgent, Username};
use fake::faker::job::en::Title as JobTitle;
use fake::faker::lorem::en::{Sentence, Word};
use fake::faker::name::en::{FirstName, LastName, Name, Suffix, Title};
use fake::faker::phone_number::en::PhoneNumber;
use jiff::civil::{Date, date};
use minijinja::value::{Object, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::loan::{draw, wrong};
use super::spelling::unknown;
use crate::plan::value::generators::uuid;

/// What there is.
pub(super) const NAMES: [&str; 45] = [
    "address",
    "boolean",
    "building_number",
    "catch_phrase",
    "city",
    "company",
    "country",
    "country_code",
    "credit_card_number",
    "currency_code",
    "currency_name",
    "date",
    "domain_name",
    "email",
    "file_name",
    "first_name",
    "hex_color",
    "ipv4",
    "ipv6",
    "isbn13",
    "job",
    "last_name",
    "latitude",
    "longitude",
    "mac_address",
    "mime_type",
    "name",
    "paragraph",
    "password",
    "phone_number",
    "postcode",
    "prefix",
    "sentence",
    "state",
    "state_abbr",
    "street_address",
    "street_name",
    "suffix",
    "text",
    "url",
    "user_agent",
    "user_name",
    "uuid4",
    "word",
    "zipcode",
];

/// The value of `fake` in expressions.
#[derive(Debug)]
pub(super) struct Faker;

impl Object for Faker {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        draw(|loan| value(name, &mut loan.rng)).ok().flatten()
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        from_args::<()>(arguments)
            .map_err(|_| wrong(format!("`fake.{name}` takes no arguments")))?;
        draw(|loan| value(name, &mut loan.rng))?
            .ok_or_else(|| Error::from(ErrorKind::UnknownMethod))
    }
}

/// Checks `path`, such as `fake.name`; `None` where it has nothing to do with `fake`.
pub(super) fn check(path: &str) -> Option<Result<(), String>> {
    let name = match path.strip_prefix("fake") {
        Some("") => "",
        Some(rest) => rest.strip_prefix('.')?,
        None => return None,
    };
    // What follows looks into the text, or is a method of it.
    let name = name.split('.').next().unwrap_or_default();
    Some(match NAMES.contains(&name) {
        true => Ok(()),
        false => Err(unknown("value of `fake`:", name, &NAMES)),
    })
}

fn value(name: &str, rng: &mut ChaCha12Rng) -> Option<Value> {
    let text: String = match name {
        "boolean" => return Some(Value::from(rng.random_range(0..2) == 1)),
        "latitude" => return Some(Value::from(coordinate(90.0, rng))),
        "longitude" => return Some(Value::from(coordinate(180.0, rng))),
        "address" => {
            let street = street_address(rng);
            let city: String = CityName().fake_with_rng(rng);
            let state: String = StateAbbr().fake_with_rng(rng);
            let code: String = PostCode().fake_with_rng(rng);
            format!("{street}, {city}, {state} {code}")
        }
        "street_address" => street_address(rng),
        "street_name" => StreetName().fake_with_rng(rng),
        "building_number" => BuildingNumber().fake_with_rng(rng),
        "city" => CityName().fake_with_rng(rng),
        "state" => StateName().fake_with_rng(rng),
        "state_abbr" => StateAbbr().fake_with_rng(rng),
        "postcode" | "zipcode" => PostCode().fake_with_rng(rng),
        "country" => CountryName().fake_with_rng(rng),
        "country_code" => CountryCode().fake_with_rng(rng),
        "name" => Name().fake_with_rng(rng),
        "first_name" => FirstName().fake_with_rng(rng),
        "last_name" => LastName().fake_with_rng(rng),
        "prefix" => Title().fake_with_rng(rng),
        "suffix" => Suffix().fake_with_rng(rng),
        "email" => SafeEmail().fake_with_rng(rng),
        "user_name" => Username().fake_with_rng(rng),
        "password" => Password(10..11).fake_with_rng(rng),
        "phone_number" => PhoneNumber().fake_with_rng(rng),
        "company" => CompanyName().fake_with_rng(rng),
        "catch_phrase" => CatchPhrase().fake_with_rng(rng),
        "job" => JobTitle().fake_with_rng(rng),
        "word" => Word().fake_with_rng(rng),
        "sentence" => Sentence(4..10).fake_with_rng(rng),
        "paragraph" => sentences(3, rng),
        "text" => sentences(5, rng),
        "domain_name" => domain_name(rng),
        "url" => format!("https://{}/", domain_name(rng)),
        "ipv4" => IPv4().fake_with_rng(rng),
        "ipv6" => IPv6().fake_with_rng(rng),
        "mac_address" => MACAddress().fake_with_rng(rng),
        "user_agent" => UserAgent().fake_with_rng(rng),
        "credit_card_number" => CreditCardNumber().fake_with_rng(rng),
        "currency_code" => CurrencyCode().fake_with_rng(rng),
        "currency_name" => CurrencyName().fake_with_rng(rng),
        "hex_color" => format!("#{:06x}", rng.random_range(0..=0xff_ffff)),
        "isbn13" => Isbn13().fake_with_rng(rng),
        "file_name" => FileName().fake_with_rng(rng),
        "mime_type" => MimeType().fake_with_rng(rng),
        "uuid4" => uuid(rng).to_string(),
        "date" => day(rng).to_string(),
        _ => return None,
    };
    Some(Value::from(text))
}

fn street_address(rng: &mut ChaCha12Rng) -> String {
    let number: String = BuildingNumber().fake_with_rng(rng);
    let street: String = StreetName().fake_with_rng(rng);
    format!("{number} {street}")
}

fn sentences(count: usize, rng: &mut ChaCha12Rng) -> String {
    let sentences = (0..count).map(|_| Sentence(4..10).fake_with_rng::<String, _>(rng));
    sentences.collect::<Vec<String>>().join(" ")
}

/// One that belongs to nobody.
fn domain_name(rng: &mut ChaCha12Rng) -> String {
    let name: String = LastName().fake_with_rng(rng);
    let name: String = name.chars().filter(char::is_ascii_alphabetic).collect();
    let ending = ["com", "net", "org"][rng.random_range(0..3)];
    format!("{}.example.{ending}", name.to_lowercase())
}

/// In degrees, to about ten centimeters.
fn coordinate(limit: f64, rng: &mut ChaCha12Rng) -> f64 {
    (rng.random_range(-limit..limit) * 1e6).round() / 1e6
}

/// A day from 1970 to 2025: one that depended on the clock could not be had again.
fn day(rng: &mut ChaCha12Rng) -> Date {
    let first = date(1970, 1, 1);
    first.saturating_add(jiff::Span::new().days(rng.random_range(0..20_454)))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_name_has_values_that_the_seed_decides() {
        for name in NAMES {
            let values = |seed| {
                let rng = &mut ChaCha12Rng::seed_from_u64(seed);
                let values = (0..20).map(|_| value(name, rng).expect(name).to_string());
                values.collect::<Vec<String>>()
            };
            let (first, other) = (values(1), values(2));
            assert_eq!(first, values(1), "{name}");
            assert_ne!(first, other, "{name}");
            assert!(first.iter().all(|value| !value.is_empty()), "{name}");
        }
        assert!(value("nme", &mut ChaCha12Rng::seed_from_u64(1)).is_none());
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(check("fake.name"), Some(Ok(())));
        assert_eq!(check("fake.name.upper"), Some(Ok(())));
        assert_eq!(check("faker"), None);
        for (path, part) in [
            (
                "fake.nmae",
                "unknown value of `fake`: `nmae`: did you mean `name`?",
            ),
            ("fake.frist_name", "did you mean `first_name`?"),
            ("fake", "use one of `address`"),
        ] {
            let error = check(path).unwrap().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
