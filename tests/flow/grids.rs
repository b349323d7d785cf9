//! Time grids, and settings outside their range.

use fewstep::flow::grid::{MAX_STEPS, check_grid, from_flag};
use fewstep::flow::{FlowError, Preset, RunConfig, Sampler, Schedule, parse_grid};
use fewstep::model::fake::FakeNetwork;
use fewstep::model::{ModelSpec, Network, Source};

fn message<T>(result: Result<T, FlowError>) -> String {
    let Err(error) = result else {
        panic!("an error was expected");
    };
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text:?} has one line");
    text
}

fn spec() -> ModelSpec {
    FakeNetwork::new(50, 64, Source::Uniform).spec().clone()
}

#[test]
fn times_are_read() {
    assert_eq!(parse_grid("0, 0.5,1").expect("valid"), [0.0, 0.5, 1.0]);
    assert_eq!(parse_grid("0,1").expect("valid"), [0.0, 1.0]);
}

#[test]
fn errors_name_the_offending_value() {
    for (text, value) in [
        ("0,half,1", "\"half\""),
        ("", "\"\""),
        ("0.1,1", "0.1"),
        ("0,0.5,0.5,1", "0.5"),
        ("0,0.9,0.4,1", "0.4"),
        ("0,0.5", "0.5"),
        ("0,2", "2"),
        ("0,NaN,1", "NaN"),
        ("0,inf", "inf"),
        ("0", "steps 0"),
    ] {
        let text = message(parse_grid(text));
        assert!(text.contains(value), "{text:?} names {value}");
    }
    let long: Vec<f64> = (0..=1025).map(|i| f64::from(i) / 1025.0).collect();
    assert!(message(check_grid(&long)).contains("1025"));
}

#[test]
fn presets_are_valid_grids() {
    for preset in Preset::ALL {
        for steps in [1, 2, 3, 8, 24] {
            let grid = preset.grid(steps).expect("valid");
            assert_eq!(grid.len(), steps + 1);
            check_grid(&grid).expect("valid");
            assert_eq!(from_flag(preset.label(), steps).expect("valid"), grid);
        }
        assert!(preset.grid(0).is_err());
        assert!(preset.grid(MAX_STEPS + 1).is_err());
        if preset == Preset::Halving {
            assert!(message(preset.grid(25)).contains("25"));
        } else {
            check_grid(&preset.grid(MAX_STEPS).expect("valid")).expect("valid");
        }
    }
    let halving = Preset::Halving.grid(4).expect("valid");
    assert_eq!(halving, [0.0, 0.5, 0.75, 0.875, 1.0]);
    let first_and_last = |preset: Preset| {
        let grid = preset.grid(8).expect("valid");
        (grid[1], 1.0 - grid[7])
    };
    let (first, last) = first_and_last(Preset::LateDense);
    assert!(last < 0.2 * first);
    let (first, last) = first_and_last(Preset::Cosine);
    assert!(first < 0.2 * last);
}

#[test]
fn schedule_and_its_clamps() {
    let schedule = |exponent| Schedule { exponent };
    assert_eq!(schedule(2.0).kappa(0.5), 0.25);
    assert_eq!(schedule(2.0).kappa_prime(0.5), 1.0);
    assert_eq!(schedule(1.0).kappa_prime(0.0), 1.0);
    // ln(1 - κ) is clamped at ln 1e-8, so that the last step of a grid has a finite scalar…
    let last = schedule(1.0).cumulative_scalar(0.5, 0.5);
    assert!((last - (0.5f64.ln() - 1e-8f64.ln())).abs() < 1e-12);
    // …and steps beyond the clamp none.
    assert_eq!(schedule(1.0).cumulative_scalar(1.0 - 1e-9, 5e-10), 0.0);
    // n = 1: a token leaves with 1 - ((1-t-h)/(1-t))^(1-p(z)).
    let scalar = schedule(1.0).cumulative_scalar(0.25, 0.125);
    assert!((scalar + (0.625f64 / 0.75).ln()).abs() < 1e-12);
}

/// A change to a good run, and what the message about it must name.
type Spoiled = (fn(&mut RunConfig), &'static str);

#[test]
fn settings_out_of_range() {
    let cases: [Spoiled; 15] = [
        (|c| c.grid = vec![0.0], "steps 0"),
        (|c| c.tokens = 0, "tokens 0"),
        (|c| c.tokens = 65, "tokens 65"),
        (|c| c.exponent = 0.0, "exponent 0"),
        (|c| c.exponent = f64::NAN, "exponent NaN"),
        (|c| c.temperature = 0.0, "temperature 0"),
        (|c| c.temperature = f64::INFINITY, "temperature inf"),
        (|c| c.top_p = 0.0, "top-p 0"),
        (|c| c.top_p = 1.5, "top-p 1.5"),
        (|c| c.eta = -1.0, "eta -1"),
        (|c| c.frozen = vec![(32, 0)], "frozen position 32"),
        (|c| c.frozen = vec![(3, 50)], "frozen token 50"),
        (|c| c.frozen = vec![(3, 1), (3, 2)], "frozen position 3"),
        (|c| c.told_dt = Some(vec![0.5; 7]), "told step sizes 7"),
        (|c| c.told_dt = Some(vec![1.5; 8]), "told step size 1.5"),
    ];
    for (spoil, named) in cases {
        let mut cfg = RunConfig::new(1, 32, 8);
        spoil(&mut cfg);
        let text = message(Sampler::new(&spec(), cfg));
        assert!(text.starts_with(named), "{text:?} names {named}");
    }
    let resume = |step, ids| Sampler::resume(&spec(), RunConfig::new(1, 4, 2), step, ids);
    assert!(message(resume(3, vec![0; 4])).contains('3'));
    assert!(message(resume(1, vec![0; 5])).contains('5'));
    assert!(message(resume(1, vec![99; 4])).contains("99"));
}
