//! Things in numbered places, which are given again when they are free. Grows by a piece at a time:
//! nothing that is there is moved, however much it is.

/// So many places are made at a time.
const PIECE: usize = 1024;

/// Things in numbered places.
#[derive(Debug)]
pub(super) struct Slots<T> {
    /// All but the last have [`PIECE`] places.
    pieces: Vec<Vec<Place<T>>>,
    /// The first of the places that are free; each leads to the next.
    free: Option<u32>,
}

#[derive(Debug)]
enum Place<T> {
    Taken(T),
    /// Free, and so is that one.
    Free(Option<u32>),
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            free: None,
        }
    }
}

impl<T> Slots<T> {
    /// Puts it in a free place; returns which.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(number) = self.free {
            let place = self.place_mut(number).expect("a free place is a place");
            if let Place::Free(next) = std::mem::replace(place, Place::Taken(value)) {
                self.free = next;
            }
            return number;
        }
        if self.pieces.last().is_none_or(|last| last.len() == PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let before = (self.pieces.len() - 1) * PIECE;
        let last = self
            .pieces
            .last_mut()
            .expect("made above if there was none");
        last.push(Place::Taken(value));
        u32::try_from(before + last.len() - 1).expect("fewer than 2^32 of them are in memory")
    }

    /// Takes it out of its place, which is free then.
    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let next = self.free;
        let place = self.place_mut(number)?;
        match std::mem::replace(place, Place::Free(next)) {
            Place::Taken(value) => {
                self.free = Some(number);
                Some(value)
            }
            free @ Place::Free(_) => {
                *place = free;
                None
            }
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        match self.pieces.get(number / PIECE)?.get(number % PIECE)? {
            Place::Taken(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        match self.place_mut(number)? {
            Place::Taken(value) => Some(value),
            Place::Free(_) => None,
        }
    }

    /// How many places there are, free ones included.
    pub(super) fn places(&self) -> usize {
        let full = self.pieces.len().saturating_sub(1) * PIECE;
        full + self.pieces.last().map_or(0, Vec::len)
    }

    fn place_mut(&mut self, number: u32) -> Option<&mut Place<T>> {
        let number = number as usize;
        self.pieces.get_mut(number / PIECE)?.get_mut(number % PIECE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_free_is_given_again_before_another_is_made() {
        let mut slots = Slots::default();
        let [first, second, third] = ["a", "b", "c"].map(|value| slots.insert(value));

        assert_eq!(slots.remove(first), Some("a"));
        assert_eq!(slots.remove(third), Some("c"));
        assert_eq!(slots.remove(third), None);
        let mut again = [slots.insert("d"), slots.insert("e")];

        again.sort_unstable();
        assert_eq!(again, [first, third]);
        assert_eq!(slots.places(), 3);
        assert_eq!(slots.get(second), Some(&"b"));
        assert_eq!(slots.get(3), None);
        assert_eq!(slots.insert("f"), 3);
    }

    #[test]
    fn what_is_there_stays_where_it_is_when_more_comes() {
        let mut slots = Slots::default();
        let first = slots.insert(0);
        let before = std::ptr::from_ref(slots.get(first).unwrap());

        let numbers: Vec<u32> = (1..3 * PIECE).map(|value| slots.insert(value)).collect();

        assert_eq!(std::ptr::from_ref(slots.get(first).unwrap()), before);
        assert_eq!(slots.places(), 3 * PIECE);
        for (number, value) in numbers.into_iter().zip(1..) {
            assert_eq!(slots.get(number), Some(&value));
        }
    }
}
