//! Recovers the type behind a type parameter: ours passes unchanged, any other is foreign.

use std::any::Any;

/// Gives the value as a `U` if that is its type, or else gives the value back. Allocates nothing.
pub(crate) fn cast<T: 'static, U: 'static>(value: T) -> Result<U, T> {
    let mut value = Some(value);
    let same = (&mut value as &mut dyn Any).downcast_mut::<Option<U>>();
    if let Some(same) = same.and_then(Option::take) {
        return Ok(same);
    }
    // The only `take` above returned.
    value.map_or_else(|| unreachable!("the value was taken"), Err)
}
