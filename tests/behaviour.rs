//! The behaviour card of an adapter: complete, and not in contradiction with itself.

mod common;

use std::sync::OnceLock;

use actbench::kernels::activation::Activation;
use actbench::kernels::built_ins::BuiltIn;
use actbench::kernels::dtype::Dtype;
use actbench::validate::behaviour::{Behaviour, Value, Word, built_ins, card};
use common::gpu;

fn the_card() -> &'static Behaviour {
    static CARD: OnceLock<Behaviour> = OnceLock::new();
    CARD.get_or_init(|| card(gpu()).expect("nothing that an adapter answers is an error"))
}

fn result(name: &str) -> Value {
    let finding = the_card().findings.iter().find(|finding| finding.name == name);
    finding.unwrap_or_else(|| panic!("no finding {name}")).result
}

#[test]
fn every_question_is_answered() {
    let card = the_card();
    assert_eq!(card.adapter, gpu().facts.summary());
    for finding in &card.findings {
        let (name, result) = (&finding.name, finding.result);
        assert!(!finding.question.is_empty() && !finding.meaning.is_empty(), "{name}");
        assert_ne!(result, Value::Word(Word::DoesNotCompile), "{finding:?}");
        let is_native = name.starts_with("f16_native");
        let is_unsupported = result == Value::Word(Word::Unsupported);
        assert_eq!(is_unsupported, is_native && !gpu().facts.shader_f16, "{name}");
        let needs_evidence =
            matches!(result, Value::Word(Word::Mixed | Word::Other | Word::NotFinite));
        assert!(finding.evidence.is_some() || !needs_evidence, "{finding:?}");
    }
}

#[test]
fn answers_agree_with_one_another() {
    // A product that keeps a subnormal has read it.
    if result("subnormal_times_one") == Value::Word(Word::Preserved) {
        assert_eq!(result("subnormal_scaled_up"), Value::Word(Word::Preserved));
    }
    let division = result("division_max_ulp");
    let Value::Number(ulps) = division else { panic!("{division:?}") };
    if ulps <= 0.5 {
        assert_eq!(result("division_of_multiples"), Value::Word(Word::Exact));
    }
}

#[test]
fn kernels_are_judged_by_the_errors_that_the_card_shows() {
    let of = |dtype| built_ins(gpu(), dtype).expect("nothing that an adapter answers is an error");
    let [f32, f16] = [of(Dtype::F32), of(Dtype::F16Native)];
    for built_in in BuiltIn::ALL {
        let name = format!("{}_share_of_bound", built_in.name());
        let share = f32.share(built_in).max(f16.share(built_in));
        let finding = the_card().findings.iter().find(|finding| finding.name == name);
        let finding = finding.unwrap_or_else(|| panic!("no finding {name}"));
        match finding.result {
            Value::Number(shown) => assert_eq!(shown, share, "{name}"),
            Value::Word(word) => assert!(share.is_infinite(), "{name}: {word}"),
        }
        // Nobody has to compare a number with 1 to see it.
        assert_eq!(finding.meaning == "within WGSL's bound", share <= 1.0, "{finding:?}");
        assert_eq!(finding.meaning.contains("kernels that call"), share > 1.0, "{finding:?}");
    }
}

#[test]
fn every_activation_is_asked() {
    for activation in Activation::all() {
        for question in ["nan", "infinity", "minus_infinity", "near_zero"] {
            let name = format!("{}_{question}", activation.name);
            let is_asked = the_card().findings.iter().any(|finding| finding.name == name);
            assert_eq!(is_asked, !["copy", "add"].contains(&activation.name), "{name}");
        }
    }
}

#[test]
fn a_card_is_the_same_the_second_time_and_after_json() {
    let card = the_card();
    assert_eq!(&actbench::validate::behaviour::card(gpu()).expect("a second card"), card);
    let text = serde_json::to_string(card).expect("json");
    assert_eq!(&serde_json::from_str::<Behaviour>(&text).expect("what was written"), card);
}
