//! Whatever is done to a journal, it equals the map it stands for.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Vec<u8>>),
    Reopen {
        clean: bool,
    },
    /// The process is killed after a write that was not synced.
    Kill(Vec<Vec<u8>>),
    Settle,
    Skip(u64),
    Rewrite {
        every: u64,
    },
}

fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), 0..90), 0..5)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => records().prop_map(Step::Append),
        1 => any::<bool>().prop_map(|clean| Step::Reopen { clean }),
        1 => records().prop_map(Step::Kill),
        1 => Just(Step::Settle),
        1 => (0..5u64).prop_map(Step::Skip),
        1 => (1..4u64).prop_map(|every| Step::Rewrite { every }),
    ]
}

struct Twin {
    dir: TempDir,
    journal: Option<Journal>,
    expected: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

impl Twin {
    fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().unwrap()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Append(records) => {
                self.append(&records);
                self.journal().sync().unwrap();
            }
            Step::Reopen { clean } => self.reopen(clean),
            Step::Kill(records) => {
                self.append(&records);
                self.reopen(false);
            }
            Step::Settle => self.journal().settle(),
            Step::Skip(by) => {
                self.next += by;
                let next = self.next;
                self.journal().skip_to(next).unwrap();
                self.append(&[b"lost".to_vec()]);
                self.journal().sync().unwrap();
            }
            Step::Rewrite { every } => self.rewrite(every),
        }
    }

    fn append(&mut self, records: &[Vec<u8>]) {
        let numbers = self.journal().append(records).unwrap();
        assert_eq!(numbers, self.next..self.next + records.len() as u64);
        self.expected.extend(numbers.clone().zip(records.iter().cloned()));
        self.next = numbers.end;
    }

    fn reopen(&mut self, clean: bool) {
        self.journal = None;
        assert!(verify(self.dir.path()).unwrap().is_sound());
        let (journal, opening) = Journal::open(self.dir.path(), options(700, clean)).unwrap();
        assert_eq!((opening.torn, opening.lost, opening.notes), (None, vec![], vec![]));
        assert_eq!(opening.next, self.next);
        self.journal = Some(journal);
    }

    fn rewrite(&mut self, every: u64) {
        let closed = self.journal().closed_through();
        let keep = |seq: u64, _: &[u8]| match seq % every {
            0 => Keep::Drop,
            1 => Keep::Replace(vec![7; seq as usize % 50]),
            _ => Keep::Keep,
        };
        self.journal().rewrite(keep).unwrap();
        self.expected.retain(|seq, _| *seq > closed || seq % every != 0);
        let replaced = self
            .expected
            .iter_mut()
            .filter(|(seq, _)| **seq <= closed && **seq % every == 1);
        replaced.for_each(|(seq, record)| *record = vec![7; *seq as usize % 50]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_the_journal_equals_its_model(steps in vec(step(), 1..60)) {
        let dir = scratch();
        let (journal, _) = open(dir.path(), 700);
        let mut twin = Twin { dir, journal: Some(journal), expected: BTreeMap::new(), next: 1 };
        for step in steps {
            twin.take(step);
            prop_assert_eq!(contents(twin.journal()), twin.expected.clone());
        }
        twin.reopen(false);
        prop_assert_eq!(contents(twin.journal()), twin.expected.clone());
    }
}
