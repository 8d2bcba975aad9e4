//! Here-documents: which ones an instruction announces. Their bodies are no instructions.

/// A here-document that a line announces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Heredoc {
    /// The line that ends it.
    name: String,
    /// `<<-`: tabs may stand before that line.
    strip_tabs: bool,
}

/// A line with something like a here-document that builders may read in another way than this reader.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Unclear;

impl Heredoc {
    /// The line that ends it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a line ends the document.
    pub(super) fn ends_with(&self, line: &str) -> bool {
        let line = if self.strip_tabs {
            line.trim_start_matches('\t')
        } else {
            line
        };
        line == self.name
    }
}

/// The here-documents of an instruction's line, in their order.
///
/// BuildKit takes the words of the whole line, as its own shell lexer makes them, and looks for `[0-9]*<<-?NAME`. Here the words must be
/// plain enough for every reader to see the same ones.
pub(super) fn announced(line: &str, escape: char) -> Result<Vec<Heredoc>, Unclear> {
    if !line.contains("<<") {
        return Ok(Vec::new());
    }
    let (words, clear) = words(line);
    // With another escape character it depends on the version which of the two escapes here.
    let clear = clear && (escape == '\\' || !line.contains(['\\', escape]));
    if !clear
        && line
            .split_whitespace()
            .any(|word| heredoc(word) != Ok(None))
    {
        return Err(Unclear);
    }
    let documents = words.into_iter().map(heredoc).filter_map(Result::transpose);
    documents.collect()
}

fn heredoc(word: &str) -> Result<Option<Heredoc>, Unclear> {
    let Some(rest) = word
        .trim_start_matches(|letter: char| letter.is_ascii_digit())
        .strip_prefix("<<")
    else {
        return Ok(None);
    };
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    // `<<<` is a here-string, and `<<` alone is nothing.
    if rest.is_empty() || rest.contains('<') {
        return Ok(None);
    }
    let name = ['"', '\'']
        .iter()
        .find_map(|quote| rest.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(rest);
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Unclear);
    }
    Ok(Some(Heredoc {
        name: name.to_owned(),
        strip_tabs,
    }))
}

/// The words of a line, quotes left in them, and whether there is no doubt where they end.
fn words(line: &str) -> (Vec<&str>, bool) {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut clear = true;
    let mut letters = line.char_indices();
    while let Some((at, letter)) = letters.next() {
        if quote.is_none() && letter.is_whitespace() {
            if let Some(start) = start.take() {
                words.push(line.get(start..at).unwrap_or_default());
            }
            continue;
        }
        start.get_or_insert(at);
        match (letter, quote) {
            ('\\', None | Some('"')) => {
                letters.next();
            }
            ('\'' | '"', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            // What stands in braces may have blanks and quotes of its own.
            ('$', None | Some('"'))
                if line
                    .get(at..)
                    .and_then(|rest| rest.strip_prefix("${"))
                    .is_some_and(|rest| {
                        rest.split_once('}').is_none_or(|(inner, _)| {
                            inner.contains(|c: char| c.is_whitespace() || "'\"<$\\`".contains(c))
                        })
                    }) =>
            {
                clear = false;
            }
            _ => {}
        }
    }
    if let Some(start) = start {
        words.push(line.get(start..).unwrap_or_default());
    }
    (words, clear && quote.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Result<Vec<String>, Unclear> {
        Ok(announced(line, '\\')?
            .into_iter()
            .map(|document| document.name)
            .collect())
    }

    /// The cases of BuildKit's documentation, and of its tests by their meaning.
    #[test]
    fn finds_the_documents_of_a_line() {
        for (line, expected) in [
            ("RUN <<EOF", vec!["EOF"]),
            ("RUN <<-EOF sh", vec!["EOF"]),
            ("RUN 3<<EOF", vec!["EOF"]),
            ("RUN python3 <<'PY' > /out", vec!["PY"]),
            ("COPY <<a.txt <<\"b.txt\" /dest/", vec!["a.txt", "b.txt"]),
            ("RUN cat<<EOF", vec![]),
            ("RUN cat <<< word", vec![]),
            ("RUN echo $((1 << 3))", vec![]),
            ("RUN echo \"a <<EOF\"", vec![]),
            ("RUN echo ' <<EOF'", vec![]),
            ("RUN echo ${A} <<EOF", vec!["EOF"]),
            ("RUN echo \\\" <<EOF", vec!["EOF"]),
        ] {
            assert_eq!(names(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_unclear() {
        for line in [
            "RUN echo $((1 <<3))",
            "RUN <<$NAME",
            "RUN <<E\"O\"F",
            "RUN echo don't <<EOF",
            "RUN echo ${A:-x <<EOF",
            "RUN <<''",
        ] {
            assert_eq!(names(line), Err(Unclear), "{line}");
        }
        assert_eq!(names("RUN echo `date` <<EOF").unwrap(), ["EOF"]);
        assert_eq!(announced("RUN echo `date` <<EOF", '`'), Err(Unclear));
    }

    #[test]
    fn a_document_ends_at_its_name_alone() {
        let plain = &announced("RUN <<EOF", '\\').unwrap()[0];
        assert!(plain.ends_with("EOF") && !plain.ends_with("\tEOF") && !plain.ends_with("EOF "));
        let stripped = &announced("RUN <<-EOF", '\\').unwrap()[0];
        assert!(stripped.ends_with("\t\tEOF") && !stripped.ends_with(" EOF"));
    }
}
