use std::collections::HashSet;

use super::*;

fn item(seen: Seen, detail: Option<&str>) -> Item {
    Item {
        group: "NaN".to_owned(),
        name: "max_nan_zero".to_owned(),
        asks: "max(NaN, 0)".to_owned(),
        seen,
        meaning: "relu by max makes 0 of NaN".to_owned(),
        detail: detail.map(str::to_owned),
    }
}

#[test]
fn names_are_snake_case_and_unique() {
    let probes = probes::all().into_iter().flat_map(|(_, probes)| probes);
    let figures = SWEEPS.iter().flat_map(|sweep| sweep.figures);
    let names: Vec<&str> =
        probes.map(|probe| probe.name).chain(figures.map(|figure| figure.name)).collect();
    let unique: HashSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len());
    for name in names {
        assert!(
            name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')),
            "{name}"
        );
        assert!(name.len() <= 32, "{name} does not fit the table");
    }
}

#[test]
fn every_probe_has_inputs_and_each_answer_one_meaning() {
    for probe in probes::all().into_iter().flat_map(|(_, probes)| probes) {
        assert!(!probe.inputs.is_empty() && probe.meanings.len() >= 2, "{}", probe.name);
        let words: HashSet<Word> = probe.meanings.iter().map(|(word, _)| *word).collect();
        assert_eq!(words.len(), probe.meanings.len(), "{}", probe.name);
    }
}

/// Through the validator that wgpu uses: a probe that does not compile must not pass for an answer.
#[test]
fn every_shader_is_valid() {
    let probes =
        probes::all().into_iter().flat_map(|(_, probes)| probes).map(|probe| probe.expression);
    let capabilities = naga::valid::Capabilities::SHADER_FLOAT16
        | naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let mut seen = HashSet::new();
    for expression in probes.chain(SWEEPS.iter().map(|sweep| sweep.expression)) {
        let wgsl = expression.wgsl();
        if !seen.insert(wgsl.clone()) {
            continue;
        }
        let module = naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|error| {
            panic!("{}: {}", expression.function, error.emit_to_string(&wgsl))
        });
        let flags = naga::valid::ValidationFlags::all();
        naga::valid::Validator::new(flags, capabilities).validate(&module).unwrap_or_else(
            |error| panic!("{}: {}", expression.function, error.emit_to_string(&wgsl)),
        );
    }
}

#[test]
fn what_was_seen_is_a_snake_case_word_or_a_number_in_json() {
    let json = |seen| serde_json::to_string(&seen).expect("json");
    assert_eq!(json(Seen::Word(Word::ToNearestEven)), "\"to_nearest_even\"");
    assert_eq!(json(Seen::Number(0.5)), "0.5");
    let card = Behaviour {
        adapter: "an adapter".to_owned(),
        items: vec![
            item(Seen::Word(Word::Zero), None),
            item(Seen::Number(1.134), Some("0x1 -> 0x2")),
        ],
    };
    let text = serde_json::to_string(&card).expect("json");
    assert_eq!(serde_json::from_str::<Behaviour>(&text).expect("what was written"), card);
    // A card of a later version still opens.
    assert_eq!(
        serde_json::from_str::<Seen>("\"of_tomorrow\"").expect("a word"),
        Seen::Word(Word::Other)
    );
}

#[test]
fn the_table_fits_100_columns_and_shows_words_numbers_and_details() {
    let card = Behaviour {
        adapter: "an adapter of a long name ".repeat(5),
        items: vec![
            item(
                Seen::Word(Word::DoesNotCompile),
                Some(&"0x7fc00000, 0x00000000 -> 0x3f000000; ".repeat(8)),
            ),
            item(Seen::Number(1.134_567), None),
            item(Seen::Number(0.0), None),
            item(Seen::Number(88548.0), None),
            item(Seen::Number(-1.19e-7), None),
        ],
    };
    let text = card.render();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    for wanted in
        ["does_not_compile", "1.13", "  0  ", "88548", "-1.19e-7", "max(NaN, 0): relu by max"]
    {
        assert!(text.contains(wanted), "no {wanted} in:\n{text}");
    }
}
