//! The map against one in memory, over pages that fill, divide, shrink and go.

use std::collections::BTreeMap;

use super::super::open;
use super::*;

fn paged() -> (tempfile::TempDir, Paged) {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = open(&folder.path().join("store"), 16 << 20).expect("a store");
    (folder, store.complaint)
}

fn key(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// As many bytes as a complaint's row usually has, more or less.
fn value(number: u32) -> Vec<u8> {
    vec![number as u8; 100 + (number as usize * 37) % 200]
}

/// The same changes to both.
fn write(paged: &Paged, model: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: Vec<Change>) {
    for (key, value) in &changes {
        match value {
            Some(value) => drop(model.insert(key.clone(), value.clone())),
            None => drop(model.remove(key)),
        }
    }
    paged.write(changes).expect("sled writes");
}

fn assert_same(paged: &Paged, model: &BTreeMap<Vec<u8>, Vec<u8>>) {
    let mut rows: Vec<(Vec<u8>, Vec<u8>)> = paged
        .newest_first()
        .map(|row| row.map(|(k, v)| (k.to_vec(), v.to_vec())))
        .collect::<Result<_, _>>()
        .expect("rows");
    rows.reverse();
    assert!(rows.iter().map(|(k, v)| (k, v)).eq(model), "{} rows, {} expected", rows.len(), model.len());
    let keys: Vec<Vec<u8>> =
        paged.keys_from(&[]).map(|key| key.map(|key| key.to_vec())).collect::<Result<_, _>>().expect("keys");
    assert!(keys.iter().eq(model.keys()));
    assert_eq!(paged.last_key().expect("a key").as_deref(), model.keys().next_back().map(Vec::as_slice));
    for (key, value) in model {
        assert_eq!(paged.get(key).expect("a row").as_deref(), Some(value.as_slice()));
    }
    assert_pages_are_sound(paged);
}

/// Every page holds what its key promises, and no more than a page may.
fn assert_pages_are_sound(paged: &Paged) {
    let pages: Vec<(IVec, IVec)> = paged.pages.iter().collect::<Result<_, _>>().expect("pages");
    for (number, (key, page)) in pages.iter().enumerate() {
        let rows = paged.rows(page).expect("rows");
        let end = pages.get(number + 1).map(|(key, _)| key);
        assert!(!rows.is_empty() && (page.len() <= PAGE_BYTES || rows.len() == 1), "{} bytes", page.len());
        assert!(rows.iter().all(|(row, _)| row >= key && end.is_none_or(|end| row < end)));
        assert!(rows.is_sorted());
    }
}

#[test]
fn rows_that_grow_at_the_end_fill_their_pages() {
    let (_folder, paged) = paged();
    let mut model = BTreeMap::new();
    for group in 0..40 {
        let new = (group * 7..group * 7 + 7).map(|number| (key(number), Some(value(number)))).collect();
        write(&paged, &mut model, new);
    }
    assert_same(&paged, &model);
    let (pages, bytes) =
        (paged.pages.iter().count(), model.iter().map(|(k, v)| ROW_HEAD + k.len() + v.len()).sum::<usize>());
    assert!(pages * PAGE_BYTES < bytes * 5 / 4, "{pages} pages for {bytes} bytes");
}

#[test]
fn rows_come_change_and_go_anywhere() {
    let (_folder, paged) = paged();
    let mut model = BTreeMap::new();
    let mut random = 1_u32;
    for _ in 0..300 {
        let mut changes = BTreeMap::new();
        for _ in 0..10 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (random >> 8) % 500;
            let goes = random >> 28 < 6;
            changes.insert(key(number), (!goes).then(|| value(random >> 9)));
        }
        write(&paged, &mut model, changes.into_iter().collect());
    }
    assert!(model.len() > 100);
    assert_same(&paged, &model);
    let rest = model.keys().map(|key| (key.clone(), None)).collect();
    write(&paged, &mut model, rest);
    assert_same(&paged, &model);
    assert_eq!(paged.pages.iter().count(), 0);
}

#[test]
fn a_row_that_is_larger_than_a_page_has_one_for_itself() {
    let (_folder, paged) = paged();
    let mut model = BTreeMap::new();
    for number in [10, 30, 20, 25, 5] {
        write(&paged, &mut model, vec![(key(number), Some(vec![number as u8; PAGE_BYTES + 1]))]);
        write(&paged, &mut model, vec![(key(number + 1), Some(vec![1]))]);
    }
    assert_same(&paged, &model);
}

#[test]
fn a_range_of_keys_begins_and_ends_inside_pages() {
    let (_folder, paged) = paged();
    let mut model = BTreeMap::new();
    write(&paged, &mut model, (0..100).map(|number| (key(number * 2), Some(value(number)))).collect());
    for (from, to) in [(0, 1), (3, 9), (50, 50), (51, 120), (150, 400), (500, 600)] {
        let keys: Vec<IVec> = paged.keys_in(key(from)..key(to)).collect::<Result<_, _>>().expect("keys");
        assert!(keys.iter().map(|key| key.to_vec()).eq(model.range(key(from)..key(to)).map(|(key, _)| key.clone())));
    }
}

#[test]
fn a_reader_that_is_overtaken_by_divided_pages_sees_no_row_twice_and_misses_none_that_was_there() {
    let (_folder, paged) = paged();
    let mut model = BTreeMap::new();
    write(&paged, &mut model, (0..200).map(|number| (key(number * 10), Some(value(number)))).collect());
    let (forward, backward) = (paged.keys_from(&[]), paged.newest_first().map(|row| row.map(|(key, _)| key)));
    let there: Vec<Vec<u8>> = model.keys().cloned().collect();
    let read = |rows: &mut dyn Iterator<Item = Result<IVec, StoreError>>, offset: u32| {
        let mut seen = Vec::new();
        for (number, row) in (0_u32..).zip(rows) {
            seen.push(row.expect("a key").to_vec());
            let between = (0..10).map(|n| (key(((number * 13 + n * 17) % 200) * 10 + offset), Some(value(n))));
            paged.write(between.collect::<BTreeMap<_, _>>().into_iter().collect()).expect("sled writes");
        }
        seen
    };
    let seen = read(&mut { forward }, 3);
    assert!(seen.is_sorted() && seen.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(there.iter().all(|key| seen.contains(key)));
    let mut seen = read(&mut { backward }, 7);
    seen.reverse();
    assert!(seen.is_sorted() && seen.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(there.iter().all(|key| seen.contains(key)));
}

#[test]
fn a_page_that_cannot_be_parsed_is_malformed_and_names_its_tree() {
    let (_folder, paged) = paged();
    for page in [&[1][..], &[1, 0, 9, 0, 7], &[1, 0, 0, 0, 7, 1]] {
        paged.pages.insert(b"", page).expect("sled writes");
        let found = paged.newest_first().collect::<Result<Vec<_>, _>>();
        assert!(matches!(found, Err(StoreError::Malformed { tree: "complaint" })), "{page:?}");
        assert!(paged.write(vec![(vec![7], Some(vec![7]))]).is_err());
    }
}
