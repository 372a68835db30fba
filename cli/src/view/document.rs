//! Converts messages of the operator API to documents, by the type of each field. So the rules of [`super`] are in one place.

use jiff::Timestamp;

use super::{hexadecimal, moment, present};

/// Defines a document and its conversion from a message.
///
/// A field comes from the message's field of the same name, converted by [`FromWire`] for its type. Or it has an expression, which can use the
/// whole message.
macro_rules! document {
    (
        $(#[$about:meta])*
        $name:ident from $wire:path as $message:ident {
            $($(#[$meaning:meta])* $field:ident: $type:ty $(= $value:expr)?),+ $(,)?
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, serde::Serialize)]
        pub struct $name { $($(#[$meaning])* pub $field: $type),+ }

        impl From<$wire> for $name {
            fn from($message: $wire) -> Self {
                // First, as long as the message is whole.
                $($(let $field: $type = $value;)?)+
                Self { $($field: document!(@field $message $field $($value)?)),+ }
            }
        }

        impl crate::view::document::FromWire<$wire> for $name {
            fn from_wire(message: $wire) -> Self {
                message.into()
            }
        }
    };
    (@field $message:ident $field:ident $value:expr) => { $field };
    (@field $message:ident $field:ident) => { crate::view::document::FromWire::from_wire($message.$field) };
}

/// The conversion from a wire value to a value of a document.
pub(super) trait FromWire<W> {
    /// The value.
    fn from_wire(wire: W) -> Self;
}

/// These are the same in both.
macro_rules! same {
    ($($type:ty),+) => { $(impl FromWire<$type> for $type { fn from_wire(wire: $type) -> Self { wire } })+ };
}

same!(String, bool, u32, u64);

/// An empty text on the wire is null.
impl FromWire<String> for Option<String> {
    fn from_wire(text: String) -> Self {
        present(text)
    }
}

/// A 0 on the wire is null, in a field that may be null.
impl FromWire<u32> for Option<u32> {
    fn from_wire(number: u32) -> Self {
        (number != 0).then_some(number)
    }
}

/// As with 32 bits.
impl FromWire<u64> for Option<u64> {
    fn from_wire(number: u64) -> Self {
        (number != 0).then_some(number)
    }
}

impl FromWire<u64> for Option<Timestamp> {
    fn from_wire(milliseconds: u64) -> Self {
        moment(milliseconds)
    }
}

/// The id of an entry, or another hash.
impl FromWire<Vec<u8>> for String {
    fn from_wire(hash: Vec<u8>) -> Self {
        hexadecimal(&hash)
    }
}

impl FromWire<Vec<u8>> for Option<String> {
    fn from_wire(hash: Vec<u8>) -> Self {
        present(hexadecimal(&hash))
    }
}

impl<W, T: FromWire<W>> FromWire<Vec<W>> for Vec<T> {
    fn from_wire(wire: Vec<W>) -> Self {
        wire.into_iter().map(T::from_wire).collect()
    }
}

impl<W, T: FromWire<W>> FromWire<Option<W>> for Option<T> {
    fn from_wire(wire: Option<W>) -> Self {
        wire.map(T::from_wire)
    }
}
