//! The machine, exhaustively: every state under every event, and what must hold along any row of events.

use super::*;
use proptest::prelude::*;

const CROSSED_HOLD: Event = Event::Crossed(Step::Hold, Way::Free);
const CROSSED_LOCK: Event = Event::Crossed(Step::Lock, Way::Free);
const HELD_LOCK: Event = Event::Crossed(Step::Lock, Way::Held);

/// Every event, with the column's name.
const EVENTS: [(&str, Event); 14] = [
    ("hold+", CROSSED_HOLD),
    ("lock+", CROSSED_LOCK),
    ("lock?", HELD_LOCK),
    ("lock-", Event::Crossed(Step::Lock, Way::Recorded)),
    ("hand", Event::Ordered(Step::Lock)),
    ("approve", Event::Approved),
    ("close", Event::Dismissed),
    ("done", Event::Done),
    ("refuse", Event::Refused),
    ("unlock", Event::Release(By::Hand)),
    ("time", Event::Release(By::Timeout)),
    ("there", Event::UnlockedThere),
    ("lost", Event::LostThere),
    ("age", Event::AgedOut),
];

/// Where an incident stands and what is known of it.
fn at(state: State, step: Step, in_effect: bool) -> (Option<State>, Facts) {
    let facts = Facts {
        step,
        in_effect,
        elsewhere: false,
    };
    (Some(state), facts)
}

fn short(result: Result<Change, NotAllowed>) -> String {
    match result {
        Ok(change) if !change.is_any() => ".".to_owned(),
        Ok(change) => change.state.as_str().to_owned(),
        Err(error) => match error {
            NotAllowed::NoIncident => "none!",
            NotAllowed::Over => "over!",
            NotAllowed::Already => "already!",
            NotAllowed::NotHeld => "notheld!",
            NotAllowed::InTheWay => "inway!",
            NotAllowed::Senseless => "no!",
        }
        .to_owned(),
    }
}

/// `.`: nothing follows. `x!`: it cannot be.
#[test]
fn every_state_under_every_event() {
    let rows: [((Option<State>, Facts), &str); 14] = [
        (
            (None, at(State::Open, Step::Observe, false).1),
            "open open held observed open none! none! none! none! none! none! none! none! none!",
        ),
        (
            at(State::Open, Step::Notify, false),
            "open open held . open notheld! closed no! no! closed no! no! no! expired",
        ),
        (
            at(State::Open, Step::Hold, true),
            ". open . . open notheld! closed holding refused releasing no! no! no! .",
        ),
        (
            at(State::Open, Step::Lock, true),
            ". . . . already! notheld! closed locked refused releasing no! no! no! .",
        ),
        (
            at(State::Open, Step::Lock, false),
            ". . . . already! notheld! closed locked refused closed no! no! no! .",
        ),
        (
            at(State::Holding, Step::Hold, true),
            ". open . . open notheld! closed no! no! releasing releasing released open expired",
        ),
        (
            at(State::Held, Step::Hold, false),
            ". open held . open open closed no! no! closed no! no! no! expired",
        ),
        (
            at(State::Held, Step::Lock, false),
            ". . . . open open closed no! no! closed no! no! no! expired",
        ),
        (
            at(State::Locked, Step::Lock, true),
            ". . . . already! notheld! closed no! no! releasing releasing released open expired",
        ),
        (
            at(State::Releasing, Step::Lock, true),
            ". . . . open notheld! closed released refused already! already! no! no! .",
        ),
        (
            at(State::Refused, Step::Hold, true),
            ". open . . open notheld! closed . . releasing no! no! no! expired",
        ),
        (
            at(State::Refused, Step::Lock, false),
            ". . . . open notheld! closed . . closed no! no! no! expired",
        ),
        (
            at(State::Released, Step::Lock, false),
            "over! over! over! over! over! over! over! over! over! over! over! over! over! over!",
        ),
        (
            at(State::Observed, Step::Lock, false),
            "over! over! over! over! over! over! over! over! over! over! over! over! over! over!",
        ),
    ];
    for ((state, facts), want) in rows {
        let got: Vec<String> = EVENTS
            .iter()
            .map(|(_, event)| short(transition(state, *event, &facts)))
            .collect();
        let names: Vec<&str> = EVENTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(got.join(" "), want, "{state:?} {facts:?} under {names:?}");
    }
    for state in State::ALL.into_iter().filter(|state| state.is_over()) {
        for (name, event) in EVENTS {
            let facts = at(state, Step::Lock, true).1;
            let result = transition(Some(state), event, &facts);
            assert_eq!(result, Err(NotAllowed::Over), "{state:?} {name}");
        }
    }
}

#[test]
fn beginnings() {
    let facts = at(State::Open, Step::Observe, false).1;
    let begin = |event| transition(None, event, &facts).unwrap();
    let order = Effect::Order;
    for (step, way, state, effects) in [
        (Step::Observe, Way::Free, State::Observed, vec![]),
        (Step::Notify, Way::Free, State::Open, vec![]),
        (Step::Notify, Way::Held, State::Open, vec![]),
        (Step::Notify, Way::Recorded, State::Observed, vec![]),
        (
            Step::Hold,
            Way::Free,
            State::Open,
            vec![order(Action::Hold, OrderState::Pending)],
        ),
        (
            Step::Hold,
            Way::Held,
            State::Held,
            vec![order(Action::Hold, OrderState::Held)],
        ),
        // It spends nothing, or the steps above would never be seen while observing.
        (
            Step::Hold,
            Way::Recorded,
            State::Observed,
            vec![order(Action::Hold, OrderState::Observed)],
        ),
        (
            Step::Lock,
            Way::Free,
            State::Open,
            vec![order(Action::Lock, OrderState::Pending)],
        ),
        (
            Step::Lock,
            Way::Held,
            State::Held,
            vec![order(Action::Lock, OrderState::Held)],
        ),
        (
            Step::Lock,
            Way::Recorded,
            State::Observed,
            vec![order(Action::Lock, OrderState::Observed), Effect::Spend],
        ),
        (
            Step::Lock,
            Way::OnTrial,
            State::Observed,
            vec![order(Action::Lock, OrderState::Observed)],
        ),
    ] {
        let change = begin(Event::Crossed(step, way));
        assert_eq!(
            (change.state, change.step, change.effects),
            (state, step, effects),
            "{step:?} {way:?}"
        );
    }
    assert_eq!(
        begin(Event::FoundThere).effects,
        [],
        "what others did is not ordered"
    );
    for step in [Step::Observe, Step::Notify] {
        let no = transition(None, Event::Ordered(step), &facts);
        assert_eq!(no, Err(NotAllowed::Senseless));
    }
    let (open, facts) = at(State::Open, Step::Notify, false);
    assert_eq!(
        transition(open, Event::FoundThere, &facts),
        Err(NotAllowed::InTheWay)
    );
}

#[test]
fn a_stronger_step_takes_the_place_of_a_weaker() {
    let (state, facts) = at(State::Holding, Step::Hold, true);
    let change = transition(state, CROSSED_LOCK, &facts).unwrap();
    assert_eq!(change.step, Step::Lock);
    assert_eq!(
        change.effects,
        [
            Effect::Cancel,
            Effect::Order(Action::Lock, OrderState::Pending)
        ]
    );
    // A lock that must wait does not end the hold.
    assert!(!transition(state, HELD_LOCK, &facts).unwrap().is_any());
}

#[test]
fn who_is_unlocked_at_one_target_is_released_at_the_others() {
    let facts = Facts {
        step: Step::Lock,
        in_effect: true,
        elsewhere: true,
    };
    let change = transition(Some(State::Locked), Event::UnlockedThere, &facts).unwrap();
    assert_eq!(change.state, State::Releasing);
    assert_eq!(change.effects, [Effect::Cancel, Effect::Release]);
}

fn any_event() -> impl Strategy<Value = Event> {
    let step = || prop::sample::select(&Step::ALL[..]);
    let way = prop::sample::select(vec![Way::Free, Way::Held, Way::Recorded, Way::OnTrial]);
    prop_oneof![
        5 => (step(), way).prop_map(|(step, way)| Event::Crossed(step, way)),
        1 => step().prop_map(Event::Ordered),
        4 => Just(Event::Done),
        1 => prop::sample::select(vec![
            Event::Approved, Event::Dismissed, Event::Refused, Event::Release(By::Hand),
            Event::Release(By::Timeout), Event::UnlockedThere, Event::LostThere, Event::FoundThere,
            Event::AgedOut,
        ]),
    ]
}

proptest! {
    /// A row of events on one identity, with a target that takes what is ordered.
    #[test]
    fn along_any_row_of_events(events in prop::collection::vec(any_event(), 1..40)) {
        let mut open: Option<State> = None;
        let mut step = Step::Observe;
        let mut in_effect = false;
        for event in events {
            let facts = Facts { step, in_effect, elsewhere: false };
            let Ok(change) = transition(open, event, &facts) else { continue };
            let orders: Vec<Action> = change.effects.iter().filter_map(|effect| match effect {
                Effect::Order(action, OrderState::Pending) | Effect::OrderThere(action) => Some(*action),
                _ => None,
            }).collect();
            // No lock without a crossing that may go on, a person, or the repair of one.
            if !orders.is_empty() {
                let by = matches!(event, Event::Crossed(_, Way::Free) | Event::Ordered(_) | Event::LostThere);
                prop_assert!(by, "{event:?} orders");
            }
            if change.effects.contains(&Effect::SendHeld) {
                prop_assert_eq!((open, event), (Some(State::Held), Event::Approved));
            }
            if change.state == State::Locked && open != Some(State::Locked) {
                prop_assert!(matches!(event, Event::Done | Event::FoundThere));
            }
            if !change.is_any() {
                prop_assert!(change.effects.is_empty());
                prop_assert_eq!((Some(change.state), change.step), (open, step));
            }
            if let Some(before) = open {
                prop_assert!(change.step >= step, "a step is never taken back");
                let over = change.state.is_over();
                prop_assert_eq!(change.effects.contains(&Effect::Free), over, "{:?}", before);
                prop_assert_eq!(change.effects.contains(&Effect::Spend), over);
                prop_assert_eq!(change.effects.contains(&Effect::CoolDown), change.state == State::Released);
                // What may be in effect is never forgotten but by a person, by age, or by who ended it there.
                if over && in_effect && change.state != State::Released {
                    prop_assert!(matches!(event, Event::Dismissed | Event::AgedOut));
                }
            }
            if orders.contains(&Action::Lock) || orders.contains(&Action::Hold) || event == Event::FoundThere {
                in_effect = true;
            }
            if change.effects.contains(&Effect::SendHeld) {
                in_effect = true;
            }
            step = change.step;
            open = Some(change.state);
            if change.state.is_over() {
                (open, step, in_effect) = (None, Step::Observe, false);
            }
        }
    }
}
