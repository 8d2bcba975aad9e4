//! A YAML file as nodes that know where they stand. Aliases point to the node that they stand for; nothing is copied, so nothing multiplies.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::{Problem, Stop};

/// Most nodes in a file.
const MAX_NODES: usize = 100_000;
/// How deep collections may lie in one another.
const MAX_DEPTH: usize = 64;
/// How many mappings may be merged into one.
const MAX_MERGES: usize = 100;

/// The index of a node.
pub(super) type Id = usize;

#[derive(Debug)]
pub(super) enum Kind {
    Scalar { value: String, is_plain: bool },
    Sequence(Vec<Id>),
    Mapping(Vec<(Id, Id)>),
    Alias(Id),
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// The bytes of the file, quotes and all; only where a collection begins.
    pub(super) span: Range<usize>,
    /// A tag that is none of YAML's own.
    pub(super) tag: Option<String>,
}

/// The documents of a file.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    pub(super) documents: Vec<Id>,
}

impl Tree {
    pub(super) fn read(text: &str) -> Result<Self, Stop> {
        // Compose's reader follows YAML 1.1 here, ours YAML 1.2: one sees a comment where the other sees a service.
        let odd = |c: char| matches!(c, '\u{0}' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
        let inside = text.strip_prefix('\u{feff}').unwrap_or(text);
        if let Some((at, c)) = inside.char_indices().find(|(_, c)| odd(*c)) {
            return Err(Stop {
                at: at + text.len() - inside.len(),
                problem: Problem::LineBreak { code: u32::from(c) },
            });
        }
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        let mut tree = Self::default();
        let mut anchors = BTreeMap::new();
        let mut open: Vec<Open> = Vec::new();
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| Stop {
                at: error.marker().byte_offset().unwrap_or(0),
                problem: Problem::Yaml {
                    problem: error.info(),
                },
            })?;
            let at = place(&span);
            let (kind, anchor, tag) = match event {
                Event::Scalar(value, style, anchor, tag) => {
                    let kind = Kind::Scalar {
                        value: value.into_owned(),
                        is_plain: style == ScalarStyle::Plain,
                    };
                    (kind, anchor, custom(tag.as_deref()))
                }
                Event::SequenceStart(_, anchor, tag) => {
                    (Kind::Sequence(Vec::new()), anchor, custom(tag.as_deref()))
                }
                Event::MappingStart(_, anchor, tag) => {
                    (Kind::Mapping(Vec::new()), anchor, custom(tag.as_deref()))
                }
                Event::Alias(anchor) => {
                    let Some(target) = anchors.get(&anchor) else {
                        return Err(Stop {
                            at: at.start,
                            problem: Problem::NotUnderstood,
                        });
                    };
                    (Kind::Alias(*target), 0, None)
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(closed) = open.pop() {
                        tree.close(closed)?;
                    }
                    continue;
                }
                Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(..)
                | Event::DocumentEnd
                | Event::Anchor(..) => continue,
                _ => {
                    return Err(Stop {
                        at: at.start,
                        problem: Problem::NotUnderstood,
                    });
                }
            };
            let id = tree.nodes.len();
            if id >= MAX_NODES {
                return Err(Stop {
                    at: at.start,
                    problem: Problem::TooLarge {
                        what: "more than 100000 values",
                    },
                });
            }
            let is_collection = matches!(kind, Kind::Sequence(_) | Kind::Mapping(_));
            tree.nodes.push(Node {
                kind,
                span: at,
                tag,
            });
            if anchor != 0 {
                anchors.insert(anchor, id);
            }
            match open.last_mut() {
                Some(parent) => parent.children.push(id),
                None => tree.documents.push(id),
            }
            if is_collection {
                open.push(Open {
                    id,
                    children: Vec::new(),
                });
            }
        }
        Ok(tree)
    }

    fn close(&mut self, closed: Open) -> Result<(), Stop> {
        let is_sequence = matches!(
            self.node(closed.id).map(|node| &node.kind),
            Some(Kind::Sequence(_))
        );
        let kind = if is_sequence {
            Kind::Sequence(closed.children)
        } else {
            let pairs: Vec<(Id, Id)> = closed
                .children
                .chunks_exact(2)
                .filter_map(|pair| Some((*pair.first()?, *pair.last()?)))
                .collect();
            let mut names = BTreeSet::new();
            for (key, _) in &pairs {
                // A key of which no name is known could be any.
                let name = self
                    .scalar(*key)
                    .ok_or_else(|| self.stop(*key, Problem::NotUnderstood))?;
                if !names.insert(name) {
                    let name = name.to_owned();
                    return Err(self.stop(*key, Problem::Duplicate { name }));
                }
            }
            Kind::Mapping(pairs)
        };
        if let Some(node) = self.nodes.get_mut(closed.id) {
            node.kind = kind;
        }
        Ok(())
    }

    /// A node; for an alias the one that it stands for.
    pub(super) fn node(&self, id: Id) -> Option<&Node> {
        let node = self.nodes.get(id)?;
        match node.kind {
            // An alias never points to another: anchors belong to other nodes.
            Kind::Alias(target) => self.nodes.get(target),
            _ => Some(node),
        }
    }

    pub(super) fn scalar(&self, id: Id) -> Option<&str> {
        match &self.node(id)?.kind {
            Kind::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match &self.node(id)?.kind {
            Kind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Whether a node is null, or says that something inherited is taken away.
    pub(super) fn is_nothing(&self, id: Id) -> bool {
        self.node(id).is_some_and(|node| {
            let is_null = matches!(&node.kind, Kind::Scalar { value, is_plain: true }
                if matches!(value.as_str(), "" | "~" | "null" | "Null" | "NULL"));
            is_null || node.tag.as_deref() == Some("reset")
        })
    }

    /// The members of a mapping with those that `<<` merges into it: its own go first, then the merged ones in their order.
    pub(super) fn members(&self, id: Id) -> Result<Vec<(&str, Id)>, Stop> {
        let mut members: Vec<(&str, Id)> = Vec::new();
        let mut names = BTreeSet::new();
        let mut waiting = vec![id];
        let mut merged = 0;
        while let Some(id) = waiting.pop() {
            merged += 1;
            let Some(Node {
                kind: Kind::Mapping(pairs),
                tag,
                ..
            }) = self.node(id).filter(|_| merged <= MAX_MERGES)
            else {
                return Err(self.stop(id, Problem::NotUnderstood));
            };
            if tag.as_deref().is_some_and(|tag| tag != "override") {
                return Err(self.stop(id, Problem::NotUnderstood));
            }
            let mut merges = Vec::new();
            for (key, value) in pairs {
                let name = self.scalar(*key).unwrap_or_default();
                if name == "<<" {
                    match self.sequence(*value) {
                        Some(items) => merges.extend(items.iter().copied()),
                        None => merges.push(*value),
                    }
                } else if names.insert(name) {
                    members.push((name, *value));
                }
            }
            // What a merged mapping merges itself comes before its neighbours.
            merges.reverse();
            waiting.extend(merges);
        }
        Ok(members)
    }

    pub(super) fn stop(&self, id: Id, problem: Problem) -> Stop {
        Stop {
            at: self.nodes.get(id).map_or(0, |node| node.span.start),
            problem,
        }
    }
}

/// A collection whose end has not come yet.
struct Open {
    id: Id,
    children: Vec<Id>,
}

fn place(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or_default()
}

fn custom(tag: Option<&Tag>) -> Option<String> {
    tag.filter(|tag| !tag.is_yaml_core_schema())
        .map(|tag| tag.suffix().to_owned())
}
