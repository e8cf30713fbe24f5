//! The behaviour card of an adapter: complete, and not in contradiction with itself.

mod common;

use std::sync::OnceLock;

use actbench::validate::behaviour::{Behaviour, Seen, Word, card};
use common::gpu;

fn the_card() -> &'static Behaviour {
    static CARD: OnceLock<Behaviour> = OnceLock::new();
    CARD.get_or_init(|| card(gpu()).expect("nothing that an adapter answers is an error"))
}

fn seen(name: &str) -> Seen {
    the_card().get(name).unwrap_or_else(|| panic!("no item {name}")).seen
}

fn word(name: &str) -> Word {
    match seen(name) {
        Seen::Word(word) => word,
        Seen::Number(number) => panic!("{name} is {number}"),
    }
}

fn number(name: &str) -> f64 {
    match seen(name) {
        Seen::Number(number) => number,
        Seen::Word(word) => panic!("{name} is {word}"),
    }
}

#[test]
fn every_question_is_answered() {
    let card = the_card();
    assert_eq!(card.adapter, gpu().facts.summary());
    for item in &card.items {
        let name = &item.name;
        assert!(!item.asks.is_empty() && !item.meaning.is_empty(), "{name}");
        assert_ne!(item.seen, Seen::Word(Word::DoesNotCompile), "{name}: {:?}", item.detail);
        let is_native = name.starts_with("f16_native");
        let is_unsupported = item.seen == Seen::Word(Word::Unsupported);
        assert_eq!(is_unsupported, is_native && !gpu().facts.shader_f16, "{name}");
        let needs_detail =
            matches!(item.seen, Seen::Word(Word::Mixed | Word::Other | Word::NotFinite));
        assert!(item.detail.is_some() || !needs_detail, "{name} says {} without detail", item.seen);
    }
    assert!(card.render().lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn answers_agree_with_one_another() {
    // A product that keeps a subnormal has read it.
    if word("subnormal_times_one") == Word::Preserved {
        assert_eq!(word("subnormal_scaled_up"), Word::Preserved);
    }
    let roundings =
        [Word::ToNearestEven, Word::ToNearestAway, Word::TowardZero, Word::Up, Word::Down];
    assert!(roundings.contains(&word("f16_rounding")), "{}", word("f16_rounding"));
    assert!(roundings.contains(&word("f32_rounding")), "{}", word("f32_rounding"));
    if number("division_max_ulp") <= 0.5 {
        assert_eq!(word("division_of_multiples"), Word::Exact);
    }
}

#[test]
fn errors_are_of_the_size_of_errors() {
    for function in ["exp", "exp2"] {
        let largest = number(&format!("{function}_max_ulp"));
        let share = number(&format!("{function}_share_of_bound"));
        let worst_x = number(&format!("{function}_worst_x"));
        assert!((0.4..1e4).contains(&largest), "{function}: {largest} ULP");
        // The worst share was found at an error that is no larger than the largest.
        assert!(
            share > 0.0 && share * (3.0 + 2.0 * worst_x.abs()) <= largest * (1.0 + 1e-12),
            "{function}: {share}"
        );
    }
    assert!((0.4..100.0).contains(&number("division_max_ulp")));
    assert!((1e-9..1e-2).contains(&number("tanh_max_error")));
    assert!(number("exp_falls") >= 0.0);
}

#[test]
fn a_card_is_the_same_the_second_time_and_after_json() {
    let card = the_card();
    assert_eq!(&actbench::validate::behaviour::card(gpu()).expect("a second card"), card);
    let text = serde_json::to_string(card).expect("json");
    assert_eq!(&serde_json::from_str::<Behaviour>(&text).expect("what was written"), card);
}
