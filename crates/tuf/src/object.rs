//! Structures that are read from JSON objects only.
//!
//! Serde's derived structures also read arrays, by position. Go does not, so a document with an array where an object
//! belongs would mean one thing here and nothing there (security classes A4 and A24).

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// What [`only_objects`] builds on: the derived reading of a structure.
pub(crate) trait FromObject<'de>: Sized {
    /// Reads the members.
    fn from_members<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Reads a structure from an object; anything else is an error.
pub(crate) fn read<'de, D: Deserializer<'de>, T: FromObject<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: FromObject<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
            T::from_members(MapAccessDeserializer::new(members))
        }
    }

    deserializer.deserialize_map(Object(PhantomData))
}

/// Makes structures that derive with `#[serde(remote = "Self")]` readable from objects only.
macro_rules! only_objects {
    ($($name:ty),+ $(,)?) => {$(
        impl<'de> $crate::object::FromObject<'de> for $name {
            fn from_members<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // The derived function: it takes precedence over the trait's.
                <$name>::deserialize(deserializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::object::read(deserializer)
            }
        }
    )+};
}

/// The writing half, for structures that are written too.
macro_rules! written_as_derived {
    ($($name:ty),+ $(,)?) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$name>::serialize(self, serializer)
            }
        }
    )+};
}

pub(crate) use {only_objects, written_as_derived};

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::{Received, RoleName, Root, Snapshot, Targets};

    const SIGNATURES: &str = r#"[{"keyid":"k","method":"ecdsa","sig":"AAAA"}]"#;

    fn document(signed: &str, signatures: &str) -> Bytes {
        format!(r#"{{"signed":{signed},"signatures":{signatures}}}"#).into()
    }

    #[test]
    fn a24_arrays_are_not_read_where_objects_belong() {
        let targets = |signed: &str, signatures: &str| {
            Received::<Targets>::parse(&RoleName::targets(), document(signed, signatures)).is_ok()
        };
        assert!(targets(
            r#"{"targets":{"v1":{"hashes":{},"length":5}}}"#,
            SIGNATURES
        ));
        assert!(!targets(r#"{"targets":{"v1":[null,{},5]}}"#, SIGNATURES));
        assert!(!targets(r#"{"delegations":[{},[]]}"#, SIGNATURES));
        assert!(!targets(
            r#"{"delegations":{"roles":[[[],"targets/a",[""],1]]}}"#,
            SIGNATURES
        ));
        assert!(!targets(
            r#"{"delegations":{"keys":{"k":["ecdsa",{"public":""}]}}}"#,
            SIGNATURES
        ));
        assert!(!targets(
            r#"{"delegations":{"keys":{"k":{"keytype":"ecdsa","keyval":[""]}}}}"#,
            SIGNATURES
        ));
        assert!(!targets("{}", r#"[["k","ecdsa","AAAA"]]"#));

        let snapshot = document(r#"{"meta":{"root":[{},5]}}"#, SIGNATURES);
        assert!(Received::<Snapshot>::parse(&RoleName::snapshot(), snapshot).is_err());
        let root = document(r#"{"roles":{"root":[[],1]}}"#, SIGNATURES);
        assert!(Received::<Root>::parse(&RoleName::root(), root).is_err());
    }
}
