//! Which known name a wrong one comes near, so that a finding can ask whether it was meant.

/// Names of more characters are not compared.
const LONGEST: usize = 64;

/// The candidate that `word` comes nearest to; `None` where none is near, or one is `word` itself.
///
/// Near is another case, or at most one slip in three characters: a letter too much, missing, wrong, or two
/// neighbours swapped. Of several equally near, the first.
pub fn nearest<'n>(word: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let letters: Vec<char> = word.chars().take(LONGEST + 1).collect();
    let most = letters.len().max(3) / 3;
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other: Vec<char> = candidate.chars().take(LONGEST + 1).collect();
        let distance = if candidate.eq_ignore_ascii_case(word) {
            0
        } else if letters.len().max(other.len()) > LONGEST {
            continue;
        } else {
            slips(&letters, &other)
        };
        if candidate == word {
            return None;
        }
        if distance <= most && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The fewest slips between two words: the optimal string alignment distance.
fn slips(a: &[char], b: &[char]) -> usize {
    let mut above_that: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let wrong = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + wrong);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(above_that[j - 2] + 1);
            }
            row.push(least);
        }
        above_that = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_forgiven_and_another_word_is_not() {
        let cases: [(&str, &[&str], Option<&str>); 12] = [
            ("dy", &["day"], Some("day")),
            ("cpy", &["copy", "look"], Some("copy")),
            ("chek", &["sql", "load", "check"], Some("check")),
            ("querry", &["id", "query"], Some("query")),
            ("ednd_date", &["date", "end_date"], Some("end_date")),
            ("daet", &["date"], Some("date")),
            ("Date", &["data", "DATE"], Some("DATE")),
            ("start", &["date", "end_date"], None),
            ("fatal", &["warn", "error"], None),
            ("day", &["days", "day"], None),
            ("", &["a", ""], None),
            ("x", &[], None),
        ];
        for (word, candidates, expected) in cases {
            assert_eq!(nearest(word, candidates.iter().copied()), expected, "{word}");
        }
        let long = "a".repeat(100_000);
        assert_eq!(nearest(&long, ["a", &format!("{long}b")]), None);
    }

    #[test]
    fn slips_are_counted_both_ways_alike() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("ä", "a", 1),
        ] {
            let [a, b]: [Vec<char>; 2] = [a, b].map(|word| word.chars().collect());
            assert_eq!((slips(&a, &b), slips(&b, &a)), (expected, expected), "{a:?} {b:?}");
        }
    }
}
