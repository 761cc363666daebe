//! Against the fake API server: what it answers is what a real one was recorded to answer.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use kubezonnet_testkit::kube::{FakeKube, Token};
use kubezonnet_topology::kubernetes::{KubernetesWatch, Options};

use super::*;
use crate::testing::{add_pod, cluster, node_name};

const USER: &str = "system:serviceaccount:default:kubezonnet-agent";

struct Desk {
    kube: FakeKube,
    reviews: Reviews,
    topology: Topology,
    /// How far the clock is ahead, in milliseconds.
    ahead: Arc<AtomicU64>,
}

impl Desk {
    async fn new() -> Self {
        let kube = FakeKube::start().await.unwrap();
        let options = Options {
            kubeconfig: Some(kube.kubeconfig()),
            ..Options::default()
        };
        let client = KubernetesWatch::connect(&options).await.unwrap().client();
        let rules = Rules {
            audience: "kubezonnet".to_owned(),
            user: USER.to_owned(),
        };
        let topology = cluster();
        let ahead = Arc::new(AtomicU64::new(0));
        let passed = Arc::clone(&ahead);
        let clock = Clock::new(move || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let passed = Duration::from_millis(passed.load(Ordering::Relaxed));
            Timestamp(0).plus(now.unwrap()).plus(passed)
        });
        Self {
            reviews: Reviews::new(client, rules, topology.clone(), clock),
            kube,
            topology,
            ahead,
        }
    }

    fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.ahead.fetch_add(millis, Ordering::Relaxed);
    }

    async fn ask(&self, token: &str) -> Result<NodeName, Denied> {
        self.reviews.identify(token).await
    }
}

#[tokio::test]
async fn a_token_is_reviewed_once_in_two_minutes() {
    let desk = Desk::new().await;
    let token = desk.kube.give(Token::of_agent("n1"));

    for _ in 0..5 {
        assert_eq!(desk.ask(&token).await, Ok(node_name("n1")));
    }
    desk.pass(Duration::from_secs(115));
    desk.ask(&token).await.unwrap();
    assert_eq!(desk.kube.reviews(), 1);
    desk.pass(Duration::from_secs(6));
    desk.ask(&token).await.unwrap();

    assert_eq!(desk.kube.reviews(), 2);
    assert_eq!(desk.reviews.counts().get(Outcome::Accepted), 2);
}

#[tokio::test]
async fn a_token_that_is_withdrawn_opens_nothing_after_two_minutes() {
    let desk = Desk::new().await;
    let token = desk.kube.give(Token::of_agent("n1"));
    desk.ask(&token).await.unwrap();

    desk.kube.withdraw(&token);
    desk.pass(KEPT);

    assert_eq!(desk.ask(&token).await, Err(Denied::InvalidToken));
}

#[tokio::test]
async fn a_verdict_does_not_outlive_its_token() {
    let desk = Desk::new().await;
    let life = Duration::from_mins(1);
    let token = desk.kube.give(Token::of_agent("n1").living(life));
    desk.ask(&token).await.unwrap();

    desk.pass(life);

    assert_eq!(desk.ask(&token).await, Err(Denied::ExpiredToken));
    assert_eq!(desk.kube.reviews(), 1);
}

#[tokio::test]
async fn reviews_of_one_token_at_the_same_time_are_one() {
    let desk = Desk::new().await;
    let token = desk.kube.give(Token::of_agent("n1"));

    let all = futures::future::join_all((0..50).map(|_| desk.ask(&token))).await;

    assert!(all.iter().all(|each| *each == Ok(node_name("n1"))));
    assert_eq!(desk.kube.reviews(), 1);
}

#[tokio::test]
async fn forged_tokens_do_not_hold_up_an_agent_that_was_let_in_before() {
    let desk = Desk::new().await;
    let [known, new] = ["n1", "n2"].map(|node| desk.kube.give(Token::of_agent(node)));
    desk.ask(&known).await.unwrap();
    let all = u32::try_from(TURNS).unwrap();
    let _flood = desk.reviews.turns.acquire_many(all).await.unwrap();
    desk.pass(KEPT);

    let (waiting, renewed) = (Box::pin(desk.ask(&new)), Box::pin(desk.ask(&known)));
    let first = futures::future::select(waiting, renewed).await;

    let futures::future::Either::Right((renewed, _)) = first else {
        panic!("the new one was first");
    };
    assert_eq!(renewed, Ok(node_name("n1")));
    assert_eq!(desk.kube.reviews(), 2, "both of the one that is known");
}

#[tokio::test]
async fn whoever_is_no_agent_of_a_node_is_refused_with_the_reason() {
    let desk = Desk::new().await;
    let agent = || Token::of_agent("n1");
    let audience = "kubezonnet".to_owned();
    let other = "system:serviceaccount:shop:web".to_owned();
    let unbound = agent()
        .without("node-name")
        .without("pod-name")
        .without("pod-uid");
    let cases = [
        (agent().living(Duration::ZERO), Denied::ExpiredToken),
        (
            agent().for_audience("https://kubernetes.default.svc"),
            Denied::WrongAudience { audience },
        ),
        (agent().of_user(&other), Denied::NotAnAgent { user: other }),
        (unbound, Denied::NoNode),
        (agent().without("node-name"), Denied::NoNode),
    ];

    for (token, expected) in cases {
        let token = desk.kube.give(token);
        assert_eq!(desk.ask(&token).await, Err(expected));
    }
    let token = desk.kube.give(agent());
    let forged = format!("{token}x");
    assert_eq!(desk.ask(&forged).await, Err(Denied::InvalidToken));
}

#[tokio::test]
async fn where_a_token_names_no_node_it_is_that_of_its_pod() {
    let desk = Desk::new().await;
    add_pod(&desk.topology, "agent-n2", 2, 9, Timestamp(1));
    let mut token = Token::of_agent("n2").without("node-name");
    let uid = "authentication.kubernetes.io/pod-uid".to_owned();
    token.extra.insert(uid.clone(), "pod-agent-n2".to_owned());
    let known = desk.kube.give(token.clone());
    token.extra.insert(uid, "pod-p1".to_owned());
    let of_another_pod = desk.kube.give(token);

    assert_eq!(desk.ask(&known).await, Ok(node_name("n2")));
    assert_eq!(desk.ask(&of_another_pod).await, Err(Denied::NoNode));
}

#[tokio::test]
async fn a_refusal_is_kept_for_seconds_only() {
    let desk = Desk::new().await;
    let token = desk.kube.give(Token::of_agent("n1"));
    desk.kube.withdraw(&token);
    for _ in 0..5 {
        assert_eq!(desk.ask(&token).await, Err(Denied::InvalidToken));
    }
    assert_eq!(desk.kube.reviews(), 1);

    desk.pass(REFUSAL_KEPT);
    desk.ask(&token).await.unwrap_err();

    assert_eq!(desk.kube.reviews(), 2);
    assert_eq!(desk.reviews.counts().get(Outcome::Refused), 2);
}

#[tokio::test]
async fn while_kubernetes_is_away_nobody_is_refused_for_good() {
    let mut desk = Desk::new().await;
    let [known, new] = ["n1", "n2"].map(|node| desk.kube.give(Token::of_agent(node)));
    desk.ask(&known).await.unwrap();
    desk.kube.down().await;

    assert_eq!(desk.ask(&known).await, Ok(node_name("n1")), "it is known");
    assert_eq!(desk.ask(&new).await, Err(Denied::Unreviewed));
    desk.kube.up().await.unwrap();
    desk.pass(FAILURE_KEPT);

    assert_eq!(desk.ask(&new).await, Ok(node_name("n2")));
    assert_eq!(desk.reviews.counts().get(Outcome::Failed), 1);
}

#[tokio::test]
async fn without_the_right_to_review_nobody_is_refused_for_good() {
    let desk = Desk::new().await;
    let token = desk.kube.give(Token::of_agent("n1"));
    desk.kube.refuse_reviews(Some(403));

    assert_eq!(desk.ask(&token).await, Err(Denied::Unreviewed));
}

#[test]
fn recorded_answers_are_understood() {
    let rules = Rules {
        audience: "kubezonnet".to_owned(),
        user: "system:serviceaccount:lab-net:agent".to_owned(),
    };
    let judged = |text: &str| {
        let mut recorded: serde_json::Value = serde_json::from_str(text).unwrap();
        let status = recorded["response"]["body"]["status"].take();
        rules.judge(&serde_json::from_value(status).unwrap())
    };

    let bound = judged(include_str!(
        "../../../../testkit/recorded/tokenreview-bound.json"
    ));
    let unbound = judged(include_str!(
        "../../../../testkit/recorded/tokenreview-unbound.json"
    ));
    let audience = judged(include_str!(
        "../../../../testkit/recorded/tokenreview-audience.json"
    ));
    let tampered = judged(include_str!(
        "../../../../testkit/recorded/tokenreview-tampered.json"
    ));

    assert_eq!(bound, Ok(Place::Node(node_name("node-a"))));
    assert_eq!(unbound, Err(Denied::NoNode));
    assert_eq!(audience, Err(rules.wrong_audience()));
    assert_eq!(tampered, Err(Denied::InvalidToken));
}

#[test]
fn an_authenticator_that_knows_no_audiences_convinces_nobody() {
    let rules = Rules {
        audience: "kubezonnet".to_owned(),
        user: USER.to_owned(),
    };
    let status = TokenReviewStatus {
        authenticated: Some(true),
        ..TokenReviewStatus::default()
    };

    assert_eq!(rules.judge(&status), Err(rules.wrong_audience()));
}
