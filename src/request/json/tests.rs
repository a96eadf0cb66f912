use std::{
    collections::{BTreeMap, HashMap},
    error::Error as _,
};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::*;

#[derive(Default, Serialize)]
struct Order {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    prices: Vec<Price>,
    #[serde(flatten)]
    more: BTreeMap<String, f64>,
}

#[derive(Serialize)]
enum Price {
    Free,
    Fixed(f32),
    Pair(i8, f64),
    Range { min: f64, max: Option<f64> },
}

/// Structs of each shape.
#[derive(Serialize)]
struct Reading {
    degrees: Degrees,
    at: Point,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

#[derive(Serialize)]
struct Degrees(f64);

#[derive(Serialize)]
struct Point(i8, f32);

fn reading(degrees: f64, y: f32) -> Reading {
    Reading { degrees: Degrees(degrees), at: Point(1, y), note: None }
}

/// A map that gives its keys and its values one after the other.
struct KeyThenValue(&'static str, f64);

impl Serialize for KeyThenValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_key(self.0)?;
        map.serialize_value(&self.1)?;
        map.end()
    }
}

fn text<T: Serialize + ?Sized>(value: &T) -> String {
    String::from_utf8(write(value).unwrap()).unwrap()
}

fn place<T: Serialize + ?Sized>(value: &T) -> String {
    let error = write(value).unwrap_err();
    assert!(error.is_builder());
    error.to_string().strip_prefix("writing the body as JSON, at ").unwrap().to_owned()
}

#[test]
fn a_number_that_is_not_finite_is_an_error_that_names_its_place() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let prices = |price| Order { prices: vec![Price::Free, price], ..Order::default() };
        assert_eq!(place(&number), "$");
        assert_eq!(place(&[1.0, number]), "$[1]");
        assert_eq!(place(&(1, Some(number as f32))), "$[1]");
        assert_eq!(place(&HashMap::from([("a b", [number])])), "$.a b[0]");
        assert_eq!(place(&prices(Price::Fixed(number as f32))), "$.prices[1].Fixed");
        assert_eq!(place(&prices(Price::Pair(0, number))), "$.prices[1].Pair[1]");
        let range = |min, max| prices(Price::Range { min, max });
        assert_eq!(place(&range(number, None)), "$.prices[1].Range.min");
        assert_eq!(place(&range(0.0, Some(number))), "$.prices[1].Range.max");
        let more = BTreeMap::from([(String::from("tax"), number)]);
        assert_eq!(place(&Order { more, ..Order::default() }), "$.tax");
        assert_eq!(place(&reading(number, 1.0)), "$.degrees");
        assert_eq!(place(&reading(1.0, number as f32)), "$.at[1]");
        assert_eq!(place(&[KeyThenValue("a", number)]), "$[0].a");
    }
    let cause = write(&f64::NEG_INFINITY).unwrap_err();
    assert_eq!(cause.source().unwrap().to_string(), "JSON cannot express the number -inf");
}

#[test]
fn keys_that_are_no_text_are_an_error_that_names_its_place() {
    let keys = BTreeMap::from([(vec![1], 2)]);
    assert_eq!(place(&[BTreeMap::from([("a", keys)])]), "$[0].a");
}

#[test]
fn all_else_is_written_as_serde_json_writes_it() {
    let order = Order {
        id: u64::MAX,
        note: Some("\"ü\n".into()),
        prices: vec![
            Price::Free,
            Price::Fixed(0.1),
            Price::Pair(-1, 1e300),
            Price::Range { min: -0.0, max: None },
        ],
        more: BTreeMap::from([("tax".into(), f64::MIN)]),
    };
    assert_eq!(text(&order), serde_json::to_string(&order).unwrap());
    let readings = [reading(0.5, 1.5), Reading { note: Some("x"), ..reading(-0.5, 0.0) }];
    assert_eq!(text(&readings), serde_json::to_string(&readings).unwrap());
    let given = KeyThenValue("a", 1.5);
    assert_eq!(text(&given), serde_json::to_string(&given).unwrap());
    let value = serde_json::json!([null, true, {"a": [1.5, -2, "x"]}, {}, []]);
    assert_eq!(text(&value), value.to_string());
    struct Shown;
    impl Serialize for Shown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("\"{}", 1))
        }
    }
    assert_eq!(text(&Shown), serde_json::to_string(&Shown).unwrap());
    let others = ('c', (), i128::MIN, Some(Some(1)), &b"bytes"[..], std::net::Ipv4Addr::LOCALHOST);
    assert_eq!(text(&others), serde_json::to_string(&others).unwrap());
}
