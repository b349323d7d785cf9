//! Numbers as the panels write them: never one that is not there.

/// A perplexity in at most six columns.
pub(super) fn perplexity(value: f64) -> String {
    match value {
        v if v.is_nan() => "undefined".to_owned(),
        v if v.is_infinite() => "infinite".to_owned(),
        v if v < 99.95 => format!("{v:.1}"),
        v if v < 9_999.5 => format!("{v:.0}"),
        v if v < 999_950.0 => format!("{:.1}k", v / 1e3),
        v if v < 9.995e8 => format!("{:.1}M", v / 1e6),
        v => format!("{v:.0e}"),
    }
}

/// A number with so many decimals, or a dash.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { "–".to_owned() }
}

/// A share as a percentage.
pub(super) fn percent(share: f64, decimals: usize) -> String {
    if share.is_finite() { format!("{:.decimals$} %", share * 100.0) } else { "–".to_owned() }
}

/// A duration in milliseconds in few columns.
pub(super) fn ms(value: f64) -> String {
    match value {
        v if !v.is_finite() || v < 0.0 => "–".to_owned(),
        v if v < 9.95 => format!("{v:.1} ms"),
        v if v < 9_999.5 => format!("{v:.0} ms"),
        v => format!("{:.1} s", v / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perplexities_of_any_size_stay_short() {
        let shown = [1.0, 14.26, 99.96, 4096.4, 12_345.0, 3.2e6, 4e12].map(perplexity);
        assert_eq!(shown, ["1.0", "14.3", "100", "4096", "12.3k", "3.2M", "4e12"]);
        assert_eq!([f64::NAN, f64::INFINITY].map(perplexity), ["undefined", "infinite"]);
        assert_eq!(percent(f64::NAN, 0), "–");
        assert_eq!([0.0, 41.3, 12_340.0, f64::NAN].map(ms), ["0.0 ms", "41 ms", "12.3 s", "–"]);
    }
}
