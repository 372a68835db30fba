//! A sorted map in a tree of the store that keeps neighbouring rows together, a page of them under one key of sled.
//!
//! The cost of sled is per key, not per byte of its value. So rows that are written in the order of their keys cost a fraction when they share
//! pages.
//!
//! Must not know what its rows mean.
//!
//! ```text
//! sled key    the lowest row key that the page may hold; the first page's is empty
//! sled value  the page's rows in the order of their keys, each {key length, value length, key, value}
//! ```
//!
//! Invariants:
//! - a page holds the rows from its own key up to the next page's, and at most [`PAGE_BYTES`] unless a single row is larger;
//! - one thread writes; a reader sees each page whole;
//! - existing rows move to another page in one sled batch, so that a crash neither loses nor doubles one.

use std::borrow::Cow;
use std::iter::Peekable;
use std::ops::Range;

use sled::IVec;

use super::StoreError;
use super::tree::Tree;

/// Largest size of a page, in bytes. In larger pages new rows cost less, and a single changed row costs more.
const PAGE_BYTES: usize = 2048;
/// The two lengths before a row, of two bytes each.
const ROW_HEAD: usize = 4;

/// The key of a row, and its new value; `None` removes the row.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

/// A row of a page: key and value.
type Row<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The map.
#[derive(Clone)]
pub(super) struct Paged {
    pages: Tree,
    name: &'static str,
}

/// A page, or the place for one.
struct Page {
    key: IVec,
    value: IVec,
    /// The next page's key; `None`: this is the last.
    end: Option<IVec>,
}

impl Paged {
    pub(super) fn new(pages: Tree, name: &'static str) -> Self {
        Self { pages, name }
    }

    /// The value of a row.
    pub(super) fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<IVec>, StoreError> {
        let Some((_, page)) = self.page_of(key.as_ref())? else { return Ok(None) };
        for place in self.places(&page) {
            let (found, value) = place?;
            if page[found] == *key.as_ref() {
                return Ok(Some(page.subslice(value.start, value.len())));
            }
        }
        Ok(None)
    }

    pub(super) fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool, StoreError> {
        Ok(self.get(key)?.is_some())
    }

    /// The highest key.
    pub(super) fn last_key(&self) -> Result<Option<IVec>, StoreError> {
        let last = self.newest_first().next().transpose()?;
        Ok(last.map(|(key, _)| key))
    }

    /// All rows, the highest key first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> + use<> {
        let paged = self.clone();
        let rows = self.pages.iter().rev().flat_map(move |page| {
            let rows = page.and_then(|(_, page)| paged.rows(&page));
            rows.map_or_else(|error| vec![Err(error)], |rows| rows.into_iter().rev().map(Ok).collect())
        });
        // A page that is divided meanwhile may come a second time, with rows that were given already.
        let mut lowest: Option<IVec> = None;
        rows.filter(move |row| {
            row.as_ref().map_or(true, |(key, _)| is_next(key, &mut lowest, |key, lowest| key < lowest))
        })
    }

    /// The keys from `from` on, in their order.
    pub(super) fn keys_from(&self, from: &[u8]) -> impl Iterator<Item = Result<IVec, StoreError>> + use<> {
        let (paged, from) = (self.clone(), IVec::from(from));
        // The page that `from` lies in may begin before it.
        let first = self.page_of(&from).map(|page| page.map_or_else(|| from.clone(), |(key, _)| key));
        let (first, failed) = first.map_or_else(|error| (IVec::default(), Some(Err(error))), |first| (first, None));
        let pages = self.pages.range(first..);
        let rows = pages.flat_map(move |page| {
            let rows = page.and_then(|(_, page)| paged.rows(&page));
            rows.map_or_else(|error| vec![Err(error)], |rows| rows.into_iter().map(|(key, _)| Ok(key)).collect())
        });
        let mut highest: Option<IVec> = None;
        let is_new = move |key: &IVec| *key >= from && is_next(key, &mut highest, |key, highest| key > highest);
        failed.into_iter().chain(rows.filter({
            let mut is_new = is_new;
            move |key| key.as_ref().map_or(true, &mut is_new)
        }))
    }

    /// The keys of a range, in their order.
    pub(super) fn keys_in(&self, range: Range<Vec<u8>>) -> impl Iterator<Item = Result<IVec, StoreError>> + use<> {
        let is_inside = move |key: &Result<IVec, StoreError>| key.as_ref().map_or(true, |key| **key < *range.end);
        self.keys_from(&range.start).take_while(is_inside)
    }

    /// Writes changes, at most one for each row, with one write for each page that they touch.
    pub(super) fn write(&self, mut changes: Vec<Change>) -> Result<(), StoreError> {
        changes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut changes = changes.into_iter().peekable();
        while let Some((key, _)) = changes.peek() {
            let page = self.page_for(key)?;
            self.write_page(&page, &mut changes)?;
        }
        Ok(())
    }

    /// Applies the changes that belong to a page.
    fn write_page(&self, page: &Page, changes: &mut Peekable<impl Iterator<Item = Change>>) -> Result<(), StoreError> {
        let belongs = |(key, _): &Change| page.end.as_ref().is_none_or(|end| **key < **end);
        let mut old = Vec::new();
        for place in self.places(&page.value) {
            let (key, value) = place?;
            old.push((&page.value[key], &page.value[value]));
        }
        let highest = old.last().map(|(key, _)| *key);
        let mut old = old.into_iter().map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value))).peekable();
        let mut rows: Vec<Row<'_>> = Vec::new();
        while let Some((key, value)) = changes.next_if(belongs) {
            while let Some(row) = old.next_if(|row| *row.0 < *key) {
                rows.push(row);
            }
            old.next_if(|row| *row.0 == *key);
            rows.extend(value.map(|value| (Cow::Owned(key), Cow::Owned(value))));
        }
        rows.extend(old);
        if rows.is_empty() {
            return self.pages.remove(&page.key).map(drop);
        }
        let pages = divide(page, &rows);
        let moves_rows = pages.get(1).is_some_and(|(key, _)| highest.is_some_and(|highest| key.as_slice() <= highest));
        if moves_rows {
            return self.pages.insert_together(pages);
        }
        for (key, value) in pages {
            self.pages.insert(key, value)?;
        }
        Ok(())
    }

    /// The page that a row is to be written to.
    fn page_for(&self, key: &[u8]) -> Result<Page, StoreError> {
        let (key, value) = self.page_of(key)?.unwrap_or_default();
        let end = self.pages.get_gt(&key)?.map(|(key, _)| key);
        Ok(Page { key, value, end })
    }

    /// The last page whose key is not above this one.
    fn page_of(&self, key: &[u8]) -> Result<Option<(IVec, IVec)>, StoreError> {
        self.pages.get_lt([key, &[0]].concat())
    }

    fn rows(&self, page: &IVec) -> Result<Vec<(IVec, IVec)>, StoreError> {
        let row = |(key, value): (Range<usize>, Range<usize>)| {
            (page.subslice(key.start, key.len()), page.subslice(value.start, value.len()))
        };
        self.places(page).map(|place| place.map(row)).collect()
    }

    /// The ranges of the keys and values in the bytes of a page.
    fn places(&self, page: &[u8]) -> impl Iterator<Item = Result<(Range<usize>, Range<usize>), StoreError>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let head = page.get(at..).filter(|rest| !rest.is_empty())?;
            let Some(&[key_low, key_high, value_low, value_high]) = head.first_chunk::<ROW_HEAD>() else {
                at = page.len();
                return Some(Err(StoreError::Malformed { tree: self.name }));
            };
            let key = at + ROW_HEAD;
            let value = key + usize::from(u16::from_le_bytes([key_low, key_high]));
            at = value + usize::from(u16::from_le_bytes([value_low, value_high]));
            if at > page.len() {
                return Some(Err(StoreError::Malformed { tree: self.name }));
            }
            Some(Ok((key..value, value..at)))
        })
    }
}

/// Whether a key continues the order of the keys before it.
fn is_next(key: &IVec, newest: &mut Option<IVec>, goes_on: impl Fn(&IVec, &IVec) -> bool) -> bool {
    let is_next = newest.as_ref().is_none_or(|newest| goes_on(key, newest));
    if is_next {
        *newest = Some(key.clone());
    }
    is_next
}

/// Divides rows into as many pages as they need. New rows mostly follow the last page, so that page is left full. A page between others is
/// divided into parts that have room.
fn divide(page: &Page, rows: &[Row<'_>]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |(key, value): &Row<'_>| ROW_HEAD + key.len() + value.len();
    let total: usize = rows.iter().map(bytes).sum();
    let full = if page.end.is_none() { PAGE_BYTES } else { total / total.div_ceil(PAGE_BYTES) };
    let mut pages = vec![(page.key.to_vec(), Vec::with_capacity(total.min(PAGE_BYTES)))];
    for row in rows {
        let (key, value) = row;
        let room = pages.last().map_or(0, |(_, page)| page.len());
        if room > 0 && (room >= full || room + bytes(row) > PAGE_BYTES) {
            pages.push((key.to_vec(), Vec::with_capacity(PAGE_BYTES)));
        }
        if let Some((_, page)) = pages.last_mut() {
            page.extend(length_of(key));
            page.extend(length_of(value));
            page.extend_from_slice(key);
            page.extend_from_slice(value);
        }
    }
    pages
}

fn length_of(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).expect("keys and values of the store are under 4 KiB").to_le_bytes()
}

#[cfg(test)]
mod tests;
