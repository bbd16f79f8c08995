//! Many browsers that ask for several things at once, as pages do, while something happens.
//!
//! All of them live on one thread. A browser's first request goes alone: parallel requests without
//! a session get one each, from any Tomcat.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use cattail::standin::Address;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, timeout};

use super::findings::{Findings, Known, Seen, base};
use super::lane::{Answer, Lane, Unanswered};
use super::wait::{eventually, patience};

/// Groups in flight at a time. More would only wait for the machine, and for queues of 100
/// connections.
const IN_FLIGHT: usize = 24;

/// Browsers at work.
#[derive(Debug)]
pub(crate) struct Browsers {
    /// Parallel requests of one browser.
    parallel: usize,
    /// A browser's first connection goes to the first, its second to the second, and round again.
    to: Mutex<Vec<Address>>,
    /// Groups finished by each.
    groups: Vec<AtomicUsize>,
    turns: Semaphore,
    is_over: AtomicBool,
}

impl Browsers {
    /// `count` browsers with `parallel` connections each, which ask for `/session`.
    pub(crate) fn new(count: usize, parallel: usize) -> Self {
        Self {
            parallel,
            to: Mutex::default(),
            groups: (0..count).map(|_| AtomicUsize::new(0)).collect(),
            turns: Semaphore::new(IN_FLIGHT),
            is_over: AtomicBool::new(false),
        }
    }

    /// Lets the browsers work while `act` runs; what they saw. Every browser has a session when
    /// `act` begins. Their connections are spread over the addresses in turn.
    #[track_caller]
    pub(crate) fn browse(mut self, to: &[Address], act: impl FnOnce(&Self)) -> Findings {
        self.to = Mutex::new(to.to_vec());
        let browsers = &Arc::new(self);
        thread::scope(|scope| {
            let working = scope.spawn(|| {
                let _over = Over(browsers);
                browsers.work()
            });
            {
                let _over = Over(browsers);
                browsers.go_on(1);
                act(browsers);
            }
            working
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Waits until every browser has finished `groups` more groups, the first of which it may have
    /// begun before.
    #[track_caller]
    pub(crate) fn go_on(&self, groups: usize) {
        let goals: Vec<_> = self
            .groups
            .iter()
            .map(|done| done.load(Ordering::Relaxed) + groups)
            .collect();
        eventually("all browsers went on", || {
            let mut both = self.groups.iter().zip(&goals);
            self.is_over() || both.all(|(done, goal)| done.load(Ordering::Relaxed) >= *goal)
        });
    }

    /// Does something while no request is in flight.
    pub(crate) fn quietly<T>(&self, act: impl FnOnce() -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let turns = u32::try_from(IN_FLIGHT).expect("a small number");
        let all = self.turns.acquire_many(turns);
        let _all = runtime
            .expect("a runtime")
            .block_on(all)
            .expect("never closed");
        act()
    }

    /// Where new connections go from now on; kept ones stay until their other side closes them.
    pub(crate) fn move_to(&self, to: &[Address]) {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = to.to_vec();
    }

    fn address(&self, lane: usize) -> Address {
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to[lane % to.len()].clone()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn work(self: &Arc<Self>) -> Findings {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let findings = Rc::new(RefCell::new(Findings::default()));
        LocalSet::new().block_on(&runtime, async {
            let mut working = JoinSet::new();
            for number in 0..self.groups.len() {
                let browser = Browser::new(Arc::clone(self), number, Rc::clone(&findings));
                working.spawn_local(browser.work());
            }
            working.join_all().await;
        });
        findings.take()
    }
}

/// Ends the work, also if the test or a browser fails.
struct Over<'a>(&'a Browsers);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

struct Browser {
    all: Arc<Browsers>,
    number: usize,
    findings: Rc<RefCell<Findings>>,
    lanes: Vec<Option<Lane>>,
    cookie: String,
    known: Option<Known>,
}

impl Browser {
    fn new(all: Arc<Browsers>, number: usize, findings: Rc<RefCell<Findings>>) -> Self {
        Self {
            lanes: (0..all.parallel).map(|_| None).collect(),
            all,
            number,
            findings,
            cookie: String::new(),
            known: None,
        }
    }

    async fn work(mut self) {
        let all = Arc::clone(&self.all);
        while !all.is_over() {
            let turn = all.turns.acquire().await.expect("never closed");
            match self.known.clone() {
                Some(known) => {
                    let answers = self.ask(all.parallel).await;
                    self.judge(&known, &answers);
                }
                None => self.known = self.ask(1).await.first().map(Seen::known),
            }
            drop(turn);
            all.groups[self.number].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn judge(&mut self, known: &Known, answers: &[Seen]) {
        let mut known = self.findings.borrow_mut().judge(known, answers);
        let shown = self.cookie.split_once('=').map_or("", |(_, id)| id);
        if base(shown) != base(&known.id) {
            // It goes on with what it was given.
            let given = answers.iter().filter(|seen| base(&seen.id) == base(shown));
            known = given
                .max_by_key(|seen| seen.hits)
                .map_or(known, Seen::known);
        }
        shown.clone_into(&mut known.id);
        self.known = Some(known);
    }

    /// Sends a group, all with the same cookie; the answers in the order in which they came, whose
    /// cookies it takes in that order.
    async fn ask(&mut self, count: usize) -> Vec<Seen> {
        let mut request = String::from("GET /session HTTP/1.1\r\nHost: shop\r\n");
        if !self.cookie.is_empty() {
            write!(request, "Cookie: {}\r\n", self.cookie).expect("writes to memory");
        }
        request.push_str("\r\n");
        let request: Rc<str> = request.into();
        let mut group = JoinSet::new();
        for (number, lane) in self.lanes.iter_mut().enumerate().take(count) {
            let (lane, to) = (lane.take(), self.all.address(number));
            let request = Rc::clone(&request);
            group.spawn_local(async move { (number, ask(lane, &to, &request).await) });
        }
        let mut seen = Vec::new();
        while let Some(asked) = group.join_next().await {
            let (number, asked) = asked.expect("no request panics");
            seen.extend(self.take(number, asked));
        }
        seen
    }

    fn take(&mut self, number: usize, asked: Asked) -> Option<Seen> {
        let mut findings = self.findings.borrow_mut();
        findings.requests += 1;
        findings.reopened += usize::from(asked.is_reopened);
        findings.longest = findings.longest.max(asked.took);
        let answer = match asked.outcome {
            Ok((answer, lane)) => {
                self.lanes[number] = Some(lane).filter(|_| answer.keeps_alive);
                answer
            }
            Err(failure) => {
                findings.failed(format!("{failure} after {:?}", asked.took));
                return None;
            }
        };
        for line in &answer.cookies {
            let pair = line.split(';').next().unwrap_or_default();
            if pair.starts_with("JSESSIONID=") {
                pair.clone_into(&mut self.cookie);
            }
        }
        let seen = Seen::parse(&answer);
        if seen.is_none() {
            let text = String::from_utf8_lossy(&answer.body);
            findings.failed(format!("{} {text}", answer.status));
        }
        seen
    }
}

impl Seen {
    fn parse(answer: &Answer) -> Option<Self> {
        let json: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        (answer.status == 200).then_some(())?;
        Some(Self {
            tomcat: json["tomcat"].as_str()?.to_owned(),
            id: json["id"].as_str()?.to_owned(),
            created_ms: json["created_ms"].as_u64()?,
            hits: json["hits"].as_u64()?,
        })
    }

    fn known(&self) -> Known {
        Known {
            id: self.id.clone(),
            created_ms: self.created_ms,
            hits: self.hits,
        }
    }
}

struct Asked {
    outcome: Result<(Answer, Lane), Unanswered>,
    is_reopened: bool,
    took: std::time::Duration,
}

/// Asks on the kept connection or a new one; once more if the kept one was closed meanwhile.
async fn ask(lane: Option<Lane>, to: &Address, request: &str) -> Asked {
    let started = Instant::now();
    let once = async |lane: Option<Lane>| {
        let mut lane = match lane {
            Some(lane) => lane,
            None => Lane::connect(to).await?,
        };
        let answer = lane.ask(request.as_bytes()).await?;
        Ok((answer, lane))
    };
    let mut is_reopened = false;
    let asking = async {
        match once(lane).await {
            Err(Unanswered::Stale) => {
                is_reopened = true;
                once(None).await
            }
            other => other,
        }
    };
    let outcome = timeout(patience(), asking)
        .await
        .unwrap_or_else(|_| Err(Unanswered::Broken("no answer".to_owned())));
    Asked {
        outcome,
        is_reopened,
        took: started.elapsed(),
    }
}
